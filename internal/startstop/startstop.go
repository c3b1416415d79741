// Package startstop holds the life cycle of a component with Start and Stop: a producer, a
// consumer, a link. A component makes a Lifecycle from two functions of its own and passes its
// Start and Stop on:
//
//	c.life = startstop.New(c.start, c.stop)
//
//	func (c *Component) Start(ctx context.Context) error { return c.life.Start(ctx) }
//	func (c *Component) Stop(ctx context.Context) error  { return c.life.Stop(ctx) }
//
// start connects and starts goroutines; it returns when ctx ends. stop ends and releases everything
// that New and start made, whatever start has reached. Neither needs a lock against the other:
// Lifecycle calls start at most once, stop at most once, and never both at a time.
package startstop

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
)

// State is where a component is in its life. A later state has a greater number.
type State uint32

// The states of a component.
const (
	StateNew State = iota
	StateStarting
	StateStarted
	StateStopping
	StateStopped
)

// Lifecycle is the life cycle of one component. All methods are safe for concurrent use.
type Lifecycle struct {
	start func(ctx context.Context) error
	stop  func(ctx context.Context, started bool) error

	// ctx ends when the state becomes StateStopping.
	ctx   context.Context
	close context.CancelCauseFunc

	state atomic.Uint32 // written with mu held

	mu          sync.Mutex
	cancelStart context.CancelCauseFunc // set while StateStarting
	stopCtx     context.Context         // of the Stop that ends a start
	startErr    error                   // set before startDone is closed
	startDone   chan struct{}
	stopErr     error // set before stopDone is closed
	stopDone    chan struct{}
}

// New returns the life cycle of a component that start starts and stop stops.
//
// The context of start ends with the cause iggyerr.ErrClosed when Stop is called meanwhile.
//
// stop is called once: by Stop, or by Start after start has failed. started is false when start has
// failed or was never called. Its context is that of Stop; after a failed start it is that of
// Start, without its end.
func New(start func(ctx context.Context) error, stop func(ctx context.Context, started bool) error) *Lifecycle {
	l := &Lifecycle{start: start, stop: stop, startDone: make(chan struct{}), stopDone: make(chan struct{})}
	l.ctx, l.close = context.WithCancelCause(context.Background())
	return l
}

// State returns the present state. It takes no lock.
func (l *Lifecycle) State() State { return State(l.state.Load()) }

// Context ends with the cause iggyerr.ErrClosed when Stop begins or a start has failed, before stop
// is called.
func (l *Lifecycle) Context() context.Context { return l.ctx }

// Start starts the component. A second call returns nil, or waits for the start that is under way
// and returns its result. After Stop, and after a start that failed, it returns iggyerr.ErrClosed.
// A start that fails has stopped the component. A start that Stop ends returns an error that
// matches iggyerr.ErrClosed.
func (l *Lifecycle) Start(ctx context.Context) error {
	if err := argument.Context(ctx); err != nil {
		return err
	}
	starting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l.mu.Lock()
	switch l.State() {
	case StateNew:
	case StateStarting, StateStarted:
		l.mu.Unlock()
		return wait(ctx, l.startDone, &l.startErr)
	default:
		l.mu.Unlock()
		return iggyerr.ErrClosed
	}
	l.cancelStart = cancel
	l.setState(StateStarting)
	l.mu.Unlock()

	err := l.start(starting)

	l.mu.Lock()
	if err == nil && l.State() == StateStarting {
		l.setState(StateStarted)
		close(l.startDone)
		l.mu.Unlock()
		return nil
	}
	stopCtx, stopCalled := l.stopCtx, l.State() == StateStopping
	if !stopCalled {
		stopCtx = context.WithoutCancel(ctx)
		l.setState(StateStopping)
	}
	l.mu.Unlock()
	stopErr := l.stop(stopCtx, err == nil)
	if stopCalled {
		if !errors.Is(err, iggyerr.ErrClosed) {
			err = errors.Join(iggyerr.ErrClosed, err)
		}
		l.stopErr = stopErr
	} else {
		err = errors.Join(err, stopErr)
	}
	l.startErr = err
	l.stopped()
	close(l.startDone)
	return err
}

// Stop stops the component. It ends a start that is under way. A second or concurrent call waits
// for the first one and returns its result. Where another call stops the component, the end of ctx
// ends the wait and is the error.
func (l *Lifecycle) Stop(ctx context.Context) error {
	if err := argument.Context(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	was := l.State()
	if was < StateStopping {
		l.setState(StateStopping)
	}
	if was == StateStarting {
		// Start calls stop when start has returned.
		l.stopCtx = ctx
		l.cancelStart(iggyerr.ErrClosed)
	}
	l.mu.Unlock()
	if was == StateNew || was == StateStarted {
		l.stopErr = l.stop(ctx, was == StateStarted)
		l.stopped()
	}
	return wait(ctx, l.stopDone, &l.stopErr)
}

// setState changes the state. l.mu is held.
func (l *Lifecycle) setState(s State) {
	l.state.Store(uint32(s))
	if s == StateStopping {
		l.close(iggyerr.ErrClosed)
	}
}

// stopped ends the life: stop has returned.
func (l *Lifecycle) stopped() {
	l.mu.Lock()
	l.setState(StateStopped)
	l.mu.Unlock()
	close(l.stopDone)
}

// wait returns *err when done is closed, or why ctx ended before.
func wait(ctx context.Context, done <-chan struct{}, err *error) error {
	select {
	case <-done:
		return *err
	default:
	}
	select {
	case <-done:
		return *err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
