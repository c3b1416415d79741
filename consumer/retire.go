package consumer

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// retreat is what a retirement could not finish, or what a lost membership
// had in hand when there was none after it.
type retreat struct {
	unfinished, waiting, uncommitted int
	err                              error
}

// retire finishes what is in hand for as long as work lasts, commits, and
// leaves the group. It returns at once; live ends when it is done. A retirement that
// has begun keeps the time that it has.
func (e *engine) retire(work context.Context) {
	e.mu.Lock()
	if e.retiring == nil {
		e.retiring, e.hurry = context.WithCancelCause(work)
	}
	e.mu.Unlock()
	e.retreatBegins()
	e.kick()
}

// retreatAsked tells whether the consumer retires.
func (e *engine) retreatAsked() bool { return e.retreats.Err() != nil }

// whenRetiring calls f when the consumer retires, unless stop is called first.
func (e *engine) whenRetiring(f func()) (stop func() bool) {
	return context.AfterFunc(e.retreats, f)
}

// retireWithin has the retirement end with work, also one that a drain began with more time.
func (e *engine) retireWithin(work context.Context) (release func() bool) {
	e.retire(work)
	return context.AfterFunc(work, func() { e.hurry(context.Cause(work)) })
}

func (e *engine) workTime() context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.retiring
}

// retire is the membership's part: finish, commit, give notice, leave.
func (m *membership) retire(ctx context.Context) {
	e := m.e
	work, cancel := context.WithCancel(e.workTime())
	defer cancel()
	defer context.AfterFunc(ctx, cancel)() // the session's end ends everything

	done := m.settle(work)
	if !done {
		for _, p := range e.present() {
			p.cancel(ErrStopDeadline)
		}
	}
	// Whatever was acknowledged to the last moment counts.
	m.commitAll(ctx)
	if e.grouped && ctx.Err() == nil {
		if err := m.depart(ctx, work); err != nil && ctx.Err() == nil {
			e.log.Warn("the group could not be left properly", zap.Error(err))
		}
	}
	result := e.left()
	if !done && result.unfinished > 0 {
		result.err = context.Cause(work)
	}
	for _, p := range e.present() {
		m.revoked(p, ErrStopDeadline)
	}
	e.retreated(result)
}

// left counts what is not finished and not committed now.
func (e *engine) left() retreat {
	var left retreat
	for _, p := range e.present() {
		p.mu.Lock()
		inHand := p.inHand()
		left.unfinished += inHand
		left.waiting += p.idle()
		if e.commits && !e.onPoll {
			seen := min(p.tracker.tail, max(p.given, p.tracker.head)) // the others were given to nobody
			left.uncommitted += int(seen-p.settledHead) - inHand
		}
		p.mu.Unlock()
	}
	return left
}

// retreated notes what is left for the error of a stop.
func (e *engine) retreated(left retreat) {
	e.mu.Lock()
	e.retired = left
	e.mu.Unlock()
}

// depart leaves the group. The server would take partitions from the others in
// the middle of their work, so they get notice and time to finish, if there is
// any left.
func (m *membership) depart(ctx, work context.Context) error {
	e := m.e
	notified := false
	if e.cfg.Balance && m.balance.missing.IsZero() && work.Err() == nil {
		if members, err := m.size(ctx, m.group()); err == nil && members > 1 {
			notified = m.giveNotice(ctx, work)
		}
	}
	err := m.leaveGroup(ctx, m.group())
	if notified {
		_ = m.leaveGroup(ctx, m.notice())
	}
	return err
}

// giveNotice waits until the others are prepared for this member to leave, or the grace is over.
func (m *membership) giveNotice(ctx, work context.Context) bool {
	grace, cancel := context.WithTimeout(work, m.e.cfg.BalanceGrace)
	defer cancel()
	if err := m.join(ctx, m.notice()); err != nil {
		return false
	}
	// Several may leave at once: one after another, each when it is its turn. While
	// all are assembled, and so at rest, and the one whose turn it is does
	// nothing, it only waits, too.
	for rest := 0; rest < 2*balanceLook; {
		leads, err := m.leads(ctx)
		if err != nil {
			return true
		}
		ready, err := m.ready(ctx, 0)
		if err != nil || ready && leads {
			return true
		}
		if ready {
			rest++
		} else {
			rest = 0
		}
		if !m.sleep(grace, balancePoll) {
			return true
		}
	}
	return true
}

// remaining bounds work by the drain timeout, and leaves something of the
// caller's time for what comes after.
func remaining(ctx context.Context, drain time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		drain = min(drain, left-left/5)
	}
	return context.WithTimeoutCause(ctx, drain, ErrStopDeadline)
}
