package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// hookGrace is how long a stop waits for hooks after everything else is done.
const hookGrace = time.Second

// start runs the membership and the commits.
func (e *engine) start() {
	e.running.Store(true)
	commits, cancel := context.WithCancel(e.ctx)
	committed := make(chan struct{})
	go func() {
		defer close(committed)
		e.committer.run(commits, e)
	}()
	go func() {
		defer close(e.done)
		e.live()
		cancel()
		<-committed
	}()
}

// drain retires: what is in hand is finished while work lasts.
func (e *engine) drain(ctx, work context.Context) error {
	e.retire(work)
	var err error
	if e.running.Load() {
		select {
		case <-e.done:
		case <-ctx.Done():
			err = fmt.Errorf("%w: %w", ErrStopDeadline, context.Cause(ctx))
		}
	}
	e.sched.close()
	e.mu.Lock()
	result := e.retired
	e.mu.Unlock()
	if left := e.left(); err != nil && left.unfinished+left.uncommitted > 0 {
		result = left // the retirement is not over, and never will be
	}
	err = errors.Join(result.err, err)
	if err == nil && result.unfinished == 0 && result.uncommitted == 0 {
		return nil
	}
	return &StopError{Consumer: e.name, Unfinished: result.unfinished, Waiting: result.waiting, Uncommitted: result.uncommitted, Err: err}
}

// stop drains and releases everything.
func (e *engine) stop(ctx, work context.Context) error {
	defer e.retireWithin(work)()
	err := e.drain(ctx, work)
	e.abandon()
	if e.running.Load() {
		select {
		case <-e.done:
		case <-ctx.Done():
		}
	}
	for _, c := range []*crew{e.staff, e.crew} {
		if waitErr := c.wait(ctx); waitErr != nil && err == nil {
			err = &StopError{Consumer: e.name, Err: fmt.Errorf("handlers still run: %w", waitErr)}
		}
	}
	err = errors.Join(err, e.link.Stop(ctx))
	hooks := e.hooks.close()
	grace := time.NewTimer(hookGrace)
	defer grace.Stop()
	select {
	case <-hooks:
	case <-grace.C:
		e.log.Warn("a hook still runs after the consumer stopped")
	case <-ctx.Done():
	}
	e.finish(err)
	return err
}

// finish notes how the stop went, for those who wait for it.
func (e *engine) finish(err error) {
	e.ended.Do(func() {
		e.stopErr = err
		close(e.finished)
	})
}

// abandon ends everything that is under way.
func (e *engine) abandon() {
	e.cancel(iggyerr.ErrClosed)
	e.retreatBegins()
	e.mu.Lock()
	if e.hurry != nil {
		e.hurry(iggyerr.ErrClosed) // the caller's context need not know it any more
	}
	e.mu.Unlock()
	e.sched.close()
	e.staff.close()
	e.crew.close()
	e.meter.stop()
}

// stopped waits for a stop that another one began.
func (e *engine) stopped(ctx context.Context) error {
	select {
	case <-e.finished:
		return e.stopErr
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
