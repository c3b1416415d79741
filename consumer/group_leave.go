package consumer

import (
	"context"

	"go.uber.org/zap"
)

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
