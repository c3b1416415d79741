package group

import (
	"context"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// sessions is the present session, and the contexts that last as long as it and its membership.
type sessions struct {
	root      context.Context // the machine's
	requested bool            // a session is being waited for
	next      Session         // the next one, which begins when the requests of the former one have ended
	current   Session
	joined    bool // the observer was told that a membership began

	ctx              context.Context // ends with the session; nil without one
	cancel           context.CancelFunc
	membership       context.Context // ends with the membership, which may be earlier
	cancelMembership context.CancelFunc
}

// begin makes the next session the present one.
func (s *sessions) begin() {
	s.current, s.next = s.next, nil
	s.ctx, s.cancel = context.WithCancel(s.root)
	s.membership, s.cancelMembership = context.WithCancel(s.ctx)
}

// renew ends all requests of the membership, and prepares the next membership.
func (s *sessions) renew() {
	s.cancelMembership()
	s.membership, s.cancelMembership = context.WithCancel(s.ctx)
}

// end ends all requests of the session.
func (s *sessions) end() {
	if s.ctx != nil {
		s.cancelMembership()
		s.cancel()
		s.ctx, s.membership = nil, nil
	}
}

// scope returns the context of the requests of a state.
func (s *sessions) scope() context.Context {
	if s.membership != nil {
		return s.membership
	}
	return s.root
}

// connect waits for a session, and begins it when the requests of the former one have ended.
func connect(m *member) State {
	s := &m.session
	if s.next == nil && !s.requested {
		s.requested = true
		m.requests.runDetached(func() {
			next, err := m.deps.Sessions(s.root)
			if err != nil {
				m.queue.post(event{kind: sessionFailed, err: err})
				return
			}
			m.queue.post(event{kind: sessionGained, value: next})
		})
	}
	if s.next == nil || m.requests.open > 0 {
		return Disconnected
	}
	s.begin()
	m.groups = groups{}
	current, ctx := s.current, s.ctx
	m.requests.runDetached(func() {
		select {
		case <-current.Done():
			m.queue.post(event{kind: sessionLost})
		case <-ctx.Done():
		}
	})
	m.joining.requested = false
	if !m.cfg.Consumer.Group {
		return m.begin()
	}
	return Joining
}

// sessionReceived keeps the next session until it can begin.
func sessionReceived(m *member, e event) State {
	m.session.requested, m.session.next = false, e.value.(Session)
	return m.state
}

// noMoreSessions ends the machine: the link was stopped.
func noMoreSessions(m *member, e event) State {
	m.report.note(e.err)
	return Ended
}

// sessionEnded loses all partitions at once: the membership ends with the connection.
func sessionEnded(m *member, _ event) State {
	cause := m.session.current.Err()
	if cause == nil {
		cause = iggyerr.ErrClosed
	}
	stopping := m.state.stopping()
	m.endMembership(fmt.Errorf("%w: the session ended: %w", ErrLost, cause))
	m.session.end()
	if stopping {
		return Ended
	}
	return Disconnected
}
