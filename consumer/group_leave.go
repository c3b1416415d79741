package consumer

import (
	"context"

	"go.uber.org/zap"
)

// drainAndLeave is the membership's part of a drain: finish, commit, give notice, leave.
func (m *membership) drainAndLeave(ctx context.Context) {
	e := m.e
	work, cancel := context.WithCancel(e.drainContext())
	defer cancel()
	defer context.AfterFunc(ctx, cancel)() // the end of the session ends everything

	done := m.drainAll(work)
	if !done {
		for _, p := range e.assignedPartitions() {
			p.cancel(ErrStopDeadline)
		}
	}
	// What was acknowledged up to the last moment counts.
	m.commitAll(ctx)
	if e.grouped && ctx.Err() == nil {
		if err := m.leave(ctx, work); err != nil && ctx.Err() == nil {
			e.log.Warn("leaving the group failed", zap.Error(err))
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

// leave leaves the group. The server reassigns partitions of the other members whose messages are
// in flight, so they get notice and time to finish, if there is any left.
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

// prepareLeave gives notice and waits until the other members are prepared for this member to
// leave, or rebalance_grace is over.
func (m *membership) prepareLeave(ctx, work context.Context) bool {
	grace, cancel := context.WithTimeout(work, m.e.cfg.RebalanceGrace)
	defer cancel()
	if err := m.joinGroup(ctx, m.coordinationGroup()); err != nil {
		return false
	}
	// Several members may leave at once: one after another, each when it is the coordinator. When all
	// have given notice and the coordinator does nothing for a while, it only waits, too.
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
