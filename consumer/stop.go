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

// retreat is what a retirement could not finish, or what a lost membership
// had in hand when there was none after it.
type drainResult struct {
	unfinished, waiting, uncommitted int
	err                              error
}

// remaining bounds work by the drain timeout, and leaves something of the
// caller's time for what comes after.
func drainContext(ctx context.Context, drain time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		drain = min(drain, left-left/5)
	}
	return context.WithTimeoutCause(ctx, drain, ErrStopDeadline)
}

// retire finishes what is in hand for as long as work lasts, commits, and
// leaves the group. It returns at once; live ends when it is done. A retirement that
// has begun keeps the time that it has.
func (e *engine) requestDrain(work context.Context) {
	e.mu.Lock()
	if e.drainCtx == nil {
		e.drainCtx, e.cancelDrain = context.WithCancelCause(work)
	}
	e.mu.Unlock()
	e.signalDrain()
	e.wakeMembership()
}

// retreatAsked tells whether the consumer retires.
func (e *engine) isDraining() bool { return e.drainRequested.Err() != nil }

// whenRetiring calls f when the consumer retires, unless stop is called first.
func (e *engine) onDrain(f func()) (stop func() bool) {
	return context.AfterFunc(e.drainRequested, f)
}

// retireWithin has the retirement end with work, also one that a drain began with more time.
func (e *engine) drainWithin(work context.Context) (release func() bool) {
	e.requestDrain(work)
	return context.AfterFunc(work, func() { e.cancelDrain(context.Cause(work)) })
}

func (e *engine) drainContext() context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.drainCtx
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

// left counts what is not finished and not committed now.
func (e *engine) countUnfinished() drainResult {
	var result drainResult
	for _, p := range e.assignedPartitions() {
		p.mu.Lock()
		inFlight := p.inFlight()
		result.unfinished += inFlight
		result.waiting += p.idleInFlight()
		if e.storesOffsets && !e.ackOnPoll {
			seen := min(p.tracker.end, max(p.deliveredEnd, p.tracker.ackedEnd)) // the others were given to nobody
			result.uncommitted += int(seen-p.committedEnd) - inFlight
		}
		p.mu.Unlock()
	}
	return result
}

// retreated notes what is left for the error of a stop.
func (e *engine) setDrained(result drainResult) {
	e.mu.Lock()
	e.drained = result
	e.mu.Unlock()
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
