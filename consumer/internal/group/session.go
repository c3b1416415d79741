package group

import (
	"context"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// sessions is the present session and what lasts as long as it.
type sessions struct {
	root    context.Context // the machine's
	asked   bool            // a session is being waited for
	next    Session         // the next one: it waits for the last requests under the former one to end
	current Session
	joined  bool // the observer was told so

	ctx        context.Context // ends with the session; nil without one
	cancel     context.CancelFunc
	membership context.Context // ends with the membership, which may be earlier
	endMember  context.CancelFunc
}

// begin makes the next session the present one.
func (s *sessions) begin() {
	s.current, s.next = s.next, nil
	s.ctx, s.cancel = context.WithCancel(s.root)
	s.membership, s.endMember = context.WithCancel(s.ctx)
}

// renew ends all requests of the membership, and begins with another one.
func (s *sessions) renew() {
	s.endMember()
	s.membership, s.endMember = context.WithCancel(s.ctx)
}

// end ends all requests of the session.
func (s *sessions) end() {
	if s.ctx != nil {
		s.endMember()
		s.cancel()
		s.ctx, s.membership = nil, nil
	}
}

// scope is how long the requests of a state may last.
func (s *sessions) scope() context.Context {
	if s.membership != nil {
		return s.membership
	}
	return s.root
}

// connect waits for a session, and begins it when the requests under the former one have ended.
func connect(m *member) State {
	s := &m.session
	if s.next == nil && !s.asked {
		s.asked = true
		m.requests.apart(func() {
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
	m.requests.apart(func() {
		select {
		case <-current.Done():
			m.queue.post(event{kind: sessionLost})
		case <-ctx.Done():
		}
	})
	m.joining.asked = false
	if !m.cfg.Consumer.Group {
		return m.begin()
	}
	return Joining
}

// sessionCame keeps the next session until it can begin.
func sessionCame(m *member, e event) State {
	m.session.asked, m.session.next = false, e.value.(Session)
	return m.state
}

// sessionNeverComes ends the machine: whoever makes sessions has ended.
func sessionNeverComes(m *member, e event) State {
	m.report.note(e.err)
	return Ended
}

// sessionEnded loses all partitions at once: the server has forgotten the member.
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
