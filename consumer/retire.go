package consumer

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// retreat is what a retirement could not finish, or what a lost membership
// had in hand when there was none after it.
type drainResult struct {
	unfinished, waiting, uncommitted int
	err                              error
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

// retire is the membership's part: finish, commit, give notice, leave.
func (m *membership) drainAndLeave(ctx context.Context) {
	e := m.e
	work, cancel := context.WithCancel(e.drainContext())
	defer cancel()
	defer context.AfterFunc(ctx, cancel)() // the session's end ends everything

	done := m.drainAll(work)
	if !done {
		for _, p := range e.assignedPartitions() {
			p.cancel(ErrStopDeadline)
		}
	}
	// Whatever was acknowledged to the last moment counts.
	m.commitAll(ctx)
	if e.grouped && ctx.Err() == nil {
		if err := m.leave(ctx, work); err != nil && ctx.Err() == nil {
			e.log.Warn("the group could not be left properly", zap.Error(err))
		}
	}
	result := e.countUnfinished()
	if !done && result.unfinished > 0 {
		result.err = context.Cause(work)
	}
	for _, p := range e.assignedPartitions() {
		m.revokePartition(p, ErrStopDeadline)
	}
	e.setDrained(result)
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

// depart leaves the group. The server would take partitions from the others in
// the middle of their work, so they get notice and time to finish, if there is
// any left.
func (m *membership) leave(ctx, work context.Context) error {
	e := m.e
	notified := false
	if e.cfg.FairAssignment && m.fair.groupMissingSince.IsZero() && work.Err() == nil {
		if members, err := m.groupSize(ctx, m.group()); err == nil && members > 1 {
			notified = m.prepareLeave(ctx, work)
		}
	}
	err := m.leaveGroup(ctx, m.group())
	if notified {
		_ = m.leaveGroup(ctx, m.coordinationGroup())
	}
	return err
}

// giveNotice waits until the others are prepared for this member to leave, or the grace is over.
func (m *membership) prepareLeave(ctx, work context.Context) bool {
	grace, cancel := context.WithTimeout(work, m.e.cfg.RebalanceGrace)
	defer cancel()
	if err := m.joinGroup(ctx, m.coordinationGroup()); err != nil {
		return false
	}
	// Several may leave at once: one after another, each when it is its turn. While
	// all are assembled, and so at rest, and the one whose turn it is does
	// nothing, it only waits, too.
	for rest := 0; rest < 2*pollsPerCoordinatorCheck; {
		coordinates, err := m.isCoordinator(ctx)
		if err != nil {
			return true
		}
		ready, err := m.noticesComplete(ctx, 0)
		if err != nil || ready && coordinates {
			return true
		}
		if ready {
			rest++
		} else {
			rest = 0
		}
		if !m.sleep(grace, coordinationPoll) {
			return true
		}
	}
	return true
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
