package fxiggy

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// Background runs loops of the application, over a consumer's messages for example:
//
//	fx.Invoke(func(bg *fxiggy.Background, orders *consumer.Consumer[Order]) error {
//		return bg.Go("orders", func(ctx context.Context) error {
//			for m, err := range orders.Messages(ctx) {
//				…
//			}
//		})
//	})
type Background struct{ rt *runtime }

func newBackground(rt *runtime) *Background { return &Background{rt} }

// Go runs a loop from the application's start to its stop. At stop, the loop's context ends with
// iggyerr.ErrClosed, and the stop waits for the loop to return. A loop that returns nil has ended
// for good. One that returns another error, panics or ends its goroutine by runtime.Goexit is a
// fatal fault: its health check fails, and the application shuts down with exit code 1.
//
// Go must be called while the application is built, in a constructor or an fx.Invoke: the loop
// starts after, and stops before, everything that is built by then. It also starts after, and
// stops before, the producers that are built later. A call after the start began, also in a hook, is
// an error, since Fx ignores hooks that are added then. Names are unique.
func (b *Background) Go(name string, run func(ctx context.Context) error) error {
	if b.rt.mark.isSet() {
		return fmt.Errorf("background %s: the application has started: call Go while it is built", name)
	}
	if run == nil {
		return fmt.Errorf("background %s: no function given", name)
	}
	l := &loop{rt: b.rt, name: name, run: run, done: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	l.workload = newWorkload(l.stop)
	if err := b.rt.registry.Register(health.New("background."+name, l.check)); err != nil {
		return err
	}
	b.rt.addWorkload(l.workload)
	b.rt.lifecycle.Append(fx.Hook{
		OnStart: l.start,
		OnStop:  func(ctx context.Context) error { return b.rt.stopWorkload(ctx, l.workload) },
	})
	return nil
}

type loop struct {
	rt       *runtime
	name     string
	run      func(ctx context.Context) error
	workload *workload
	ctx      context.Context
	cancel   context.CancelCauseFunc

	done        chan struct{} // closed when run has returned
	err         error         // set before done is closed
	endedByStop bool          // run returned when the stop had begun; set before done is closed
}

func (l *loop) start(ctx context.Context) error {
	l.workload.reached.Store(true)
	if err := l.rt.startProducers(ctx); err != nil {
		return err
	}
	l.workload.started.Store(true)
	go callback.Run(func() error { return l.run(l.ctx) }, l.ended)
	return nil
}

// ended handles the end of run, by which err was returned.
func (l *loop) ended(err error) {
	defer close(l.done)
	// The consumer of the loop may stop before the loop's context ends.
	l.endedByStop = l.rt.stopping.Load()
	if err == nil || l.endedByStop && (errors.Is(err, iggyerr.ErrClosed) || errors.Is(err, context.Canceled)) {
		return
	}
	l.err = fmt.Errorf("background %s: %w", l.name, err)
	if !l.endedByStop {
		go l.rt.fail("background "+l.name, err)
	}
}

// stop ends the loop and waits for it. It returns the error of a loop that failed while the
// application stopped; fail has logged the others.
func (l *loop) stop(ctx context.Context) error {
	l.cancel(iggyerr.ErrClosed)
	select {
	case <-l.done:
	case <-ctx.Done():
		return fmt.Errorf("background %s: still runs: %w", l.name, context.Cause(ctx))
	}
	if l.endedByStop {
		return l.err
	}
	return nil
}

func (l *loop) check(context.Context) health.Result {
	if !l.workload.reached.Load() {
		return resultOf(fmt.Errorf("background %s: not started (a loop that is added in a hook before those of fxiggy.Core never starts)", l.name), nil)
	}
	select {
	case <-l.done:
		return resultOf(l.err, nil)
	default:
		return resultOf(nil, nil)
	}
}
