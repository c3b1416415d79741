package group

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// stopping is the progress of a stop.
type stopping struct {
	// timeOver is why the messages in flight are not waited for any more; nil while they are.
	timeOver error
	// overdue tells that messages were unfinished then.
	overdue   bool
	retry     time.Time // when to commit again what was refused
	failures  int       // commits that were refused
	failure   error     // of the last commit
	deadline  time.Time // the others are not waited for after this
	ready     int       // readings in a row that found all others drained
	remaining Remaining // what the stop could not finish
}

// maxStopCommits is how many times a stop tries to commit the acknowledged prefixes.
const maxStopCommits = 10

// stopBegins begins a stop. It waits for no rebalance and no survey: their requests are cancelled.
func stopBegins(*member, event) State { return StopDraining }

// stopWhileJoining leaves the groups that may have been joined.
func stopWhileJoining(m *member, _ event) State {
	if m.groups.main || m.groups.coordination {
		return LeavingGroups
	}
	return Ended
}

func endAtOnce(*member, event) State { return Ended }

// drainTimeIsOver notes that messages in flight are not waited for any more.
func drainTimeIsOver(m *member, e event) State {
	if m.stopping.timeOver == nil {
		m.stopping.timeOver = e.err
	}
	return m.state
}

// closeMachine ends everything at once.
func closeMachine(m *member, e event) State {
	m.seeks.refuse(iggyerr.ErrClosed)
	m.endMembership(fmt.Errorf("%w: %w", ErrLost, e.err))
	return Ended
}

// beginStop drains all partitions. From then on there are no new messages, partitions or commands.
func beginStop(m *member) {
	m.seeks.refuse(iggyerr.ErrClosed)
	m.rebalance.stopTransient()
	for _, id := range m.assignment.in(PartitionWaiting, PartitionPreparing) {
		m.assignment.lose(m.assignment.partitions[id], ErrStopDeadline)
	}
	drainAll(m)
}

// drainBeforeStop waits until this member is drained, or the time for that is over.
func drainBeforeStop(m *member) State {
	switch {
	case m.stopping.timeOver == nil && !m.clock.due(m.stopping.retry):
		return StopDraining
	case m.assignment.drained():
		return StopCommitting
	case m.stopping.timeOver != nil:
		m.stopping.overdue = true
		m.assignment.interrupt(ErrStopDeadline)
		return StopCommitting
	}
	return StopDraining
}

// stopCommitted leaves, or first announces that to the others if there is time: when a member
// leaves, the server assigns all partitions anew, also those of others with messages in flight.
func stopCommitted(m *member, e event) State {
	if m.stopping.failure = e.err; e.err != nil {
		m.report.note(e.err)
		if m.stopping.failures++; m.stopping.timeOver == nil && m.stopping.failures < maxStopCommits {
			m.stopping.retry = time.Now().Add(commitRetry)
			return StopDraining
		}
	}
	switch {
	case !m.cfg.Consumer.Group:
		return Ended
	case m.cfg.FairAssignment && !m.rebalance.groupMissing.Active() && m.stopping.timeOver == nil:
		return StopAnnouncing
	}
	return LeavingGroups
}

// announceStop joins the coordination group, if there are others.
func announceStop(m *member) {
	m.stopping.deadline = time.Now().Add(m.cfg.RebalanceGrace)
	server, main, coordination := m.server(), m.cfg.Consumer.Name, m.cfg.CoordinationGroup
	m.groups.coordination = true
	m.request(m.groups.inOrder(func(ctx context.Context) event {
		members, err := server.size(ctx, main)
		if err == nil && members > 1 {
			err = server.join(ctx, coordination)
		}
		return event{kind: announced, err: err, value: members > 1}
	}))
}

// waitForAnnouncement leaves when the time is over.
func waitForAnnouncement(m *member) State {
	if m.stopping.timeOver != nil || m.clock.due(m.stopping.deadline) {
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

// waitForOthers waits until the others have drained.
func waitForOthers(m *member) State {
	if s := waitForAnnouncement(m); s != StopWaiting {
		return s
	}
	m.readMembers(true, true)
	return StopWaiting
}

// othersAnswered leaves when all members are drained. Several members that leave do so one after
// another, each when it is the coordinator, but none waits for a coordinator that does nothing.
func othersAnswered(m *member, e event) State {
	l := m.rebalance.answered(e)
	if e.err != nil {
		return LeavingGroups
	}
	if l.announced < l.members {
		m.stopping.ready = 0
		return StopWaiting
	}
	if m.stopping.ready++; l.coordinator || m.stopping.ready >= 2*readsPerCoordinator {
		return LeavingGroups
	}
	return StopWaiting
}

// leaveGroups leaves the groups that were joined.
func leaveGroups(m *member) {
	server, main, joined := m.server(), m.cfg.Consumer.Name, m.groups.main
	leave := m.leaveCoordination()
	m.request(m.groups.inOrder(func(ctx context.Context) event {
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

// endAll notes what remains, and ends all assignments.
func endAll(m *member) {
	if ids := m.assignment.in(); len(ids) > 0 {
		remaining := m.assignment.remaining()
		if m.stopping.overdue && remaining.Unfinished > 0 {
			remaining.Err = m.stopping.timeOver
		}
		if remaining.Uncommitted > 0 {
			remaining.Err = errors.Join(remaining.Err, m.stopping.failure)
		}
		for _, id := range ids {
			m.assignment.move(m.assignment.partitions[id], partitionLost)
			m.assignment.release(id, ErrStopDeadline)
		}
		m.stopping.remaining = remaining
	}
	m.seeks.refuse(iggyerr.ErrClosed)
	m.endMembership(ErrLost)
	m.session.end()
}
