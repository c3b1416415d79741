package group

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fault"
	"github.com/fetchbox/fetchbox-iggy/internal/retry"
)

// joining is the state of the attempts to join the group.
type joining struct {
	attempt   int
	next      time.Time
	cause     error
	fault     fault.Fault
	requested bool
}

// failed has the next attempt wait. The first one does not wait: the reason for which most
// memberships end does not last.
func (j *joining) failed(err error) {
	j.cause, j.requested = err, false
	if j.attempt++; j.attempt > 1 {
		j.next = time.Now().Add(retry.Delay(joinBackoff, j.attempt-1))
	}
}

// groups are the groups of which the connection is a member, as far as known: a join without an
// answer counts.
type groups struct {
	main, coordination bool
	last               chan struct{} // closed when the last request to join or leave has ended
}

// inOrder returns a request to join or leave a group that begins when the one before has ended: two
// at once could reach the server in either order, also when the first one was cancelled.
func (g *groups) inOrder(do func(ctx context.Context) event) func(ctx context.Context) event {
	before, done := g.last, make(chan struct{})
	g.last = done
	return func(ctx context.Context) event {
		defer close(done)
		if before != nil {
			<-before
		}
		return do(ctx)
	}
}

// join joins the group. It retries until it succeeds.
func join(m *member) State {
	if m.requests.open > 0 || m.joining.requested || !m.clock.due(m.joining.next) {
		return Joining
	}
	m.joining.requested = true
	m.groups.main = true
	server, group := m.server(), m.cfg.Consumer.Name
	leave := m.leaveCoordination()
	m.request(m.groups.inOrder(func(ctx context.Context) event {
		// The rebalance in which it took part, if any, is over.
		if err := leave(ctx); err != nil {
			return event{kind: joinAnswered, err: err}
		}
		return event{kind: joinAnswered, err: server.join(ctx, group)}
	}))
	return Joining
}

// leaveCoordination returns a request that leaves the coordination group, if this member may be in
// it.
func (m *member) leaveCoordination() func(ctx context.Context) error {
	server, group := m.server(), m.cfg.CoordinationGroup
	if !m.groups.coordination {
		return func(context.Context) error { return nil }
	}
	return func(ctx context.Context) error { return server.leave(ctx, group) }
}

// joined handles the answer to a join.
func joined(m *member, e event) State {
	m.joining.requested = false
	if e.err == nil {
		m.groups.coordination = false
		return m.begin()
	}
	m.joining.failed(e.err)
	m.report.note(fmt.Errorf("iggy: join group %s: %w", m.cfg.Consumer.Name, e.err))
	if m.joining.fault.Occurred(e.err) {
		m.log.Warn("joining the group failed, retrying", zap.Int("attempt", m.joining.attempt), zap.Error(e.err))
	}
	return Joining
}

// begin begins a membership.
func (m *member) begin() State {
	m.stopping.remaining = Remaining{}
	m.probe = probe{}
	m.rebalance.reset()
	m.verify.retry = time.Time{}
	m.assignment.begin(m.session.membership, m.session.current)
	if m.cfg.Consumer.Group && !m.joining.fault.Active() {
		m.log.Info("group joined", zap.Uint64("generation", m.session.current.Generation()))
	}
	m.session.joined = true
	m.deps.Observer.Joined(m.session.current)
	return Active
}

// confirmed notes that the server has answered a request of the member: the membership exists.
func (m *member) confirmed() {
	attempts := m.joining.attempt
	m.joining.attempt, m.joining.cause, m.joining.next = 0, nil, time.Time{}
	if lasted, was := m.joining.fault.End(); was {
		m.log.Info("group joined again", zap.Uint64("generation", m.session.current.Generation()),
			zap.Int("attempt", attempts), zap.Duration("elapsed", lasted))
	}
}

// endMembership ends what belongs to a membership.
func (m *member) endMembership(cause error) {
	m.loseAll(cause)
	m.rebalance.stopTransient()
	if m.session.joined {
		m.session.joined = false
		m.deps.Observer.Left(m.session.current)
	}
}

// loseAll ends all assignments, and notes what was unfinished.
func (m *member) loseAll(cause error) {
	if len(m.assignment.in()) > 0 {
		remaining := m.assignment.remaining()
		if remaining.Unfinished+remaining.Uncommitted > 0 {
			remaining.Err = cause
		}
		m.stopping.remaining = remaining
	}
	for _, p := range m.assignment.sorted() {
		m.assignment.lose(p, cause)
	}
	clear(m.verify.needed)
	m.seeks.startDue() // their partitions are not assigned any more
}
