package group

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// stopping is how a stop goes.
type stopping struct {
	// over is why the time for finishing is over; nil while it is not.
	over error
	// overdue tells that it was over with messages unfinished.
	overdue  bool
	retry    time.Time // when to commit again what was refused
	failures int       // commits that were refused
	failure  error     // of the last commit
	deadline time.Time // for waiting for the others
	ready    int       // looks in a row that found all others drained
	left     Left      // see Left
}

// maxStopCommits is how often what was acknowledged is committed while a stop has time.
const maxStopCommits = 10

// stopBegins begins to leave. It waits for no rebalance and no survey: what was asked for them
// ends.
func stopBegins(*member, event) State { return StopDraining }

// stopWhileJoining leaves what was perhaps joined.
func stopWhileJoining(m *member, _ event) State {
	if m.groups.main || m.groups.coordination {
		return LeavingGroups
	}
	return Ended
}

func endNow(*member, event) State { return Ended }

// workIsOver notes that what is with the application is not waited for any more.
func workIsOver(m *member, e event) State {
	if m.stopping.over == nil {
		m.stopping.over = e.err
	}
	return m.state
}

// closeMachine ends everything at once.
func closeMachine(m *member, e event) State {
	m.seeks.refuse(iggyerr.ErrClosed)
	m.endMembership(fmt.Errorf("%w: %w", ErrLost, e.err))
	return Ended
}

// beginStop takes nothing new from then on: no messages, no partitions and no commands.
func beginStop(m *member) {
	m.seeks.refuse(iggyerr.ErrClosed)
	m.rebalance.disconnect()
	for _, id := range m.assignment.in(PartitionWaiting, PartitionTaking) {
		m.assignment.lose(m.assignment.partitions[id], ErrStopDeadline)
	}
	drainAll(m)
}

// drainBeforeStop waits until nothing is with the application, or the time for that is over.
func drainBeforeStop(m *member) State {
	switch {
	case m.stopping.over == nil && !m.clock.due(m.stopping.retry):
		return StopDraining
	case m.assignment.drained():
		return StopCommitting
	case m.stopping.over != nil:
		m.stopping.overdue = true
		m.assignment.interrupt(ErrStopDeadline)
		return StopCommitting
	}
	return StopDraining
}

// stopCommitted goes on to leave: the server would take partitions from the others in the middle of
// their work, so they are told and given time to drain, if there is any left.
func stopCommitted(m *member, e event) State {
	if m.stopping.failure = e.err; e.err != nil {
		m.report.note(e.err)
		if m.stopping.failures++; m.stopping.over == nil && m.stopping.failures < maxStopCommits {
			m.stopping.retry = time.Now().Add(commitRetry)
			return StopDraining
		}
	}
	switch {
	case !m.cfg.Consumer.Group:
		return Ended
	case m.cfg.FairAssignment && m.rebalance.absent.since.IsZero() && m.stopping.over == nil:
		return StopAnnouncing
	}
	return LeavingGroups
}

// announceStop joins the coordination group, if there are others.
func announceStop(m *member) {
	m.stopping.deadline = time.Now().Add(m.cfg.RebalanceGrace)
	server, main, coordination := m.server(), m.cfg.Consumer.Name, m.cfg.CoordinationGroup
	m.groups.coordination = true
	m.ask(m.groups.inOrder(func(ctx context.Context) event {
		members, err := server.size(ctx, main)
		if err == nil && members > 1 {
			err = server.join(ctx, coordination)
		}
		return event{kind: announced, err: err, value: members > 1}
	}))
}

// waitNoLonger leaves when the time is over.
func waitNoLonger(m *member) State {
	if m.stopping.over != nil || m.clock.due(m.stopping.deadline) {
		return LeavingGroups
	}
	return m.state
}

func announceStopAnswered(_ *member, e event) State {
	if e.err != nil || !e.value.(bool) {
		return LeavingGroups
	}
	return StopWaiting
}

// waitForOthers waits until the others are prepared for this member to leave.
func waitForOthers(m *member) State {
	if s := waitNoLonger(m); s != StopWaiting {
		return s
	}
	m.look(true, true)
	return StopWaiting
}

// othersAnswered leaves when all are drained. Several members may leave at once: one after another,
// each when it is the first. While all are drained and the first does nothing, it only waits, too.
func othersAnswered(m *member, e event) State {
	l := m.rebalance.answered(e)
	if e.err != nil {
		return LeavingGroups
	}
	if l.announced < l.members {
		m.stopping.ready = 0
		return StopWaiting
	}
	if m.stopping.ready++; l.coordinator || m.stopping.ready >= 2*looksPerElection {
		return LeavingGroups
	}
	return StopWaiting
}

// leaveGroups leaves what was joined.
func leaveGroups(m *member) {
	server, main, joined := m.server(), m.cfg.Consumer.Name, m.groups.main
	leave := m.leaveCoordination()
	m.ask(m.groups.inOrder(func(ctx context.Context) event {
		var err error
		if joined {
			err = server.leave(ctx, main)
		}
		return event{kind: groupsLeft, err: errors.Join(err, leave(ctx))}
	}))
}

func groupsLeftAnswered(m *member, e event) State {
	if e.err != nil {
		m.report.note(e.err)
		m.log.Warn("leaving the group failed", zap.Error(e.err))
	}
	return Ended
}

// endAll counts what is left, and ends all assignments.
func endAll(m *member) {
	if ids := m.assignment.in(); len(ids) > 0 {
		left := m.assignment.left()
		if m.stopping.overdue && left.Unfinished > 0 {
			left.Err = m.stopping.over
		}
		if left.Uncommitted > 0 {
			left.Err = errors.Join(left.Err, m.stopping.failure)
		}
		for _, id := range ids {
			m.assignment.move(m.assignment.partitions[id], partitionLost)
			m.assignment.release(id, ErrStopDeadline)
		}
		m.stopping.left = left
	}
	m.seeks.refuse(iggyerr.ErrClosed)
	m.endMembership(ErrLost)
	m.session.end()
}
