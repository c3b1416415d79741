package consumer

import (
	"context"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// session waits for a session of the consumer's connection.
func (e *engine) session(ctx context.Context) (group.Session, error) {
	s, err := e.link.Session(ctx)
	if err != nil {
		return nil, err
	}
	return &session{Session: s, life: e.ctx}, nil
}

// session lets a request end that is under way when its context ends, unless the consumer itself
// ends: with the SDK's transport an interrupted request costs the connection, and so the
// membership.
type session struct {
	*link.Session
	life context.Context
}

// Do implements group.Session. ctx is only looked at before the request begins.
func (s *session) Do(ctx context.Context, fn func(context.Context, transport.Conn) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.Session.Do(s.life, fn)
}

// server identifies what a session is connected to.
func server(s group.Session) any {
	if s, ok := s.(*session); ok {
		return s.Server()
	}
	return s
}

// dialTransient connects the transient member of a rebalance.
type dialTransient func(context.Context) (group.Connection, error)

// transientDialer connects the transient member of a rebalance, over a connection of its own that
// is not measured.
func transientDialer(name string, newLink func(string, ...link.Option) (*link.Link, error)) dialTransient {
	return func(ctx context.Context) (group.Connection, error) {
		l, err := newLink("consumer." + name + ".transient")
		if err != nil {
			return nil, err
		}
		if err := l.Start(ctx); err != nil {
			return nil, fmt.Errorf("iggy: connect a transient member: %w", err)
		}
		return l, nil
	}
}
