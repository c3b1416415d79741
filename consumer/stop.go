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
	e.started.Store(true)
	commits, cancel := context.WithCancel(e.ctx)
	committed := make(chan struct{})
	go func() {
		defer close(committed)
		e.committer.run(commits, e)
	}()
	go func() {
		defer close(e.membershipDone)
		e.runMemberships()
		cancel()
		<-committed
	}()
}

// drain retires: what is in hand is finished while work lasts.
func (e *engine) drain(ctx, work context.Context) error {
	e.requestDrain(work)
	var err error
	if e.started.Load() {
		select {
		case <-e.membershipDone:
		case <-ctx.Done():
			err = fmt.Errorf("%w: %w", ErrStopDeadline, context.Cause(ctx))
		}
	}
	e.scheduler.close()
	e.mu.Lock()
	result := e.drained
	e.mu.Unlock()
	if left := e.countUnfinished(); err != nil && left.unfinished+left.uncommitted > 0 {
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
	defer e.drainWithin(work)()
	err := e.drain(ctx, work)
	e.cancelAll()
	if e.started.Load() {
		select {
		case <-e.membershipDone:
		case <-ctx.Done():
		}
	}
	for _, g := range []*taskGroup{e.workerTasks, e.deadLetterTasks} {
		if waitErr := g.wait(ctx); waitErr != nil && err == nil {
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
	e.setStopResult(err)
	return err
}

// finish notes how the stop went, for those who wait for it.
func (e *engine) setStopResult(err error) {
	e.stopOnce.Do(func() {
		e.stopErr = err
		close(e.stopDone)
	})
}

// abandon ends everything that is under way.
func (e *engine) cancelAll() {
	e.cancel(iggyerr.ErrClosed)
	e.signalDrain()
	e.mu.Lock()
	if e.cancelDrain != nil {
		e.cancelDrain(iggyerr.ErrClosed) // the caller's context need not know it any more
	}
	e.mu.Unlock()
	e.scheduler.close()
	e.workerTasks.close()
	e.deadLetterTasks.close()
	e.meter.stop()
}

// stopped waits for a stop that another one began.
func (e *engine) waitStopped(ctx context.Context) error {
	select {
	case <-e.stopDone:
		return e.stopErr
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
