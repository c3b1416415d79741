package fxiggy

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// Background runs the application's own loops, iterations over a consumer's
// messages for example:
//
//	fx.Invoke(func(bg *fxiggy.Background, tasks *consumer.Consumer[*jobspb.DownloadTask]) error {
//		return bg.Go("tasks", func(ctx context.Context) error {
//			for m, err := range tasks.Messages(ctx) {
//				…
//			}
//		})
//	})
type Background struct{ rt *runtime }

func newBackground(rt *runtime) *Background { return &Background{rt} }

// Go runs a loop from the application's start to its stop. At stop the loop's
// context ends with iggyerr.ErrClosed, and the stop waits for it to return. A
// loop that returns another error, panics, or ends its goroutine is a fatal fault: its health check fails,
// and the application shuts down with exit code 1. One that returns nil is done.
//
// It must be called while the application is built, in a constructor or an
// fx.Invoke: the loop starts after, and stops before, everything that was built
// until then. Later it is an error, since Fx starts nothing any more. Names are unique.
func (b *Background) Go(name string, run func(ctx context.Context) error) error {
	if b.rt.started.Load() {
		return fmt.Errorf("background %s: the application has started: loops are added while it is built", name)
	}
	l := &loop{rt: b.rt, name: name, work: run, done: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	if err := b.rt.registry.Register(health.New("background."+name, l.check)); err != nil {
		return err
	}
	b.rt.lifecycle.Append(fx.Hook{OnStart: l.start, OnStop: l.stop})
	return nil
}

type loop struct {
	rt     *runtime
	name   string
	work   func(ctx context.Context) error
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when run has returned
	err    error         // set before
}

func (l *loop) start(context.Context) error {
	go func() {
		defer close(l.done)
		err := error(errLoopExited)
		defer func() { l.ended(err) }()
		err = l.call()
	}()
	return nil
}

// errLoopExited is what a loop failed with that ended its goroutine, by runtime.Goexit: it would be gone unnoticed.
var errLoopExited = &iggyerr.PanicError{Value: "the loop ended its goroutine"}

func (l *loop) ended(err error) {
	stopping := l.ctx.Err() != nil
	if err == nil || stopping && (errors.Is(err, iggyerr.ErrClosed) || errors.Is(err, context.Canceled)) {
		return
	}
	l.err = fmt.Errorf("background %s: %w", l.name, err)
	if !stopping {
		go l.rt.fail("background "+l.name, err)
	}
}

func (l *loop) call() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &iggyerr.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return l.work(l.ctx)
}

// stop returns what went wrong while stopping; what ended the application was
// logged already.
func (l *loop) stop(ctx context.Context) error {
	running := true
	select {
	case <-l.done:
		running = false
	default:
	}
	l.cancel(iggyerr.ErrClosed)
	ctx, cancel := leaving(ctx, drainReserve)
	defer cancel()
	select {
	case <-l.done:
	case <-ctx.Done():
		return fmt.Errorf("background %s: still runs: %w", l.name, context.Cause(ctx))
	}
	if running {
		return l.err
	}
	return nil
}

func (l *loop) check(context.Context) health.Result {
	select {
	case <-l.done:
		return resultOf(l.err, nil)
	default:
		return resultOf(nil, nil)
	}
}
