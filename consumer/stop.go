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

// drainResult is what a drain could not finish, or what a lost membership had in flight when no
// other followed.
type drainResult struct {
	unfinished, waiting, uncommitted int
	err                              error
}

// drainContext returns a context for the drain: it ends after the drain timeout, and early enough
// to leave a fifth of the caller's time to what follows.
func drainContext(ctx context.Context, drain time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		drain = min(drain, left-left/5)
	}
	return context.WithTimeoutCause(ctx, drain, ErrStopDeadline)
}

// requestDrain has the membership drain: it finishes what is in flight until work ends, commits and
// leaves the group. It returns at once; runMemberships returns when the drain is done. A second
// request does not change the time of the first.
func (e *engine) requestDrain(work context.Context) {
	e.mu.Lock()
	if e.drainCtx == nil {
		e.drainCtx, e.cancelDrain = context.WithCancelCause(work)
	}
	e.mu.Unlock()
	e.signalDrain()
	e.wakeMembership()
}

// isDraining reports whether a drain was requested.
func (e *engine) isDraining() bool { return e.drainRequested.Err() != nil }

// onDrain calls f when a drain is requested, unless stop is called first.
func (e *engine) onDrain(f func()) (stop func() bool) {
	return context.AfterFunc(e.drainRequested, f)
}

// drainWithin requests a drain that ends with work, and also ends a drain that was requested with
// more time.
func (e *engine) drainWithin(work context.Context) (release func() bool) {
	e.requestDrain(work)
	return context.AfterFunc(work, func() { e.cancelDrain(context.Cause(work)) })
}

func (e *engine) drainContext() context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.drainCtx
}

// drain requests a drain and waits for it. What is not finished when work ends is in the error.
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
		result = left // the drain did not end
	}
	err = errors.Join(result.err, err)
	if err == nil && result.unfinished == 0 && result.uncommitted == 0 {
		return nil
	}
	return &StopError{Consumer: e.name, Unfinished: result.unfinished, Waiting: result.waiting, Uncommitted: result.uncommitted, Err: err}
}

// countUnfinished counts what is not finished and not committed now.
func (e *engine) countUnfinished() drainResult {
	var result drainResult
	for _, p := range e.assignedPartitions() {
		p.mu.Lock()
		inFlight := p.inFlight()
		result.unfinished += inFlight
		result.waiting += p.idleInFlight()
		if e.storesOffsets && !e.ackOnPoll {
			seen := min(p.tracker.end, max(p.deliveredEnd, p.tracker.ackedEnd)) // the others were not delivered
			result.uncommitted += int(seen-p.committedEnd) - inFlight
		}
		p.mu.Unlock()
	}
	return result
}

// setDrained sets the result of the drain, for the error of a stop.
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
			err = &StopError{Consumer: e.name, Err: fmt.Errorf("handlers still running: %w", waitErr)}
		}
	}
	err = errors.Join(err, e.link.Stop(ctx))
	hooks := e.hooks.close()
	grace := time.NewTimer(hookGrace)
	defer grace.Stop()
	select {
	case <-hooks:
	case <-grace.C:
		e.log.Warn("hook still running after the consumer stopped")
	case <-ctx.Done():
	}
	return err
}

// cancelAll ends everything that is under way.
func (e *engine) cancelAll() {
	e.cancel(iggyerr.ErrClosed)
	e.signalDrain()
	e.mu.Lock()
	if e.cancelDrain != nil {
		e.cancelDrain(iggyerr.ErrClosed) // releases the context of the caller
	}
	e.mu.Unlock()
	e.scheduler.close()
	e.workerTasks.close()
	e.deadLetterTasks.close()
	e.meter.stop()
}
