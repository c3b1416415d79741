package link

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/internal/connect"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Session is the time of one connection. What depends on the connection, a membership in a group
// for example, ends with it. All methods are safe for concurrent use.
type Session struct {
	link       *Link
	conn       *connect.Connection
	generation uint64
	served     atomic.Bool // a request has succeeded
	closedBy   atomic.Pointer[requestError]
}

// Generation counts the connections of a link, from 1.
func (s *Session) Generation() uint64 { return s.generation }

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.conn.Done() }

// Err returns why the session has ended, and nil before.
func (s *Session) Err() error {
	err := s.conn.Err()
	if cause := s.closedBy.Load(); err != nil && cause != nil {
		return cause.err
	}
	return err
}

// Do runs fn, one or more requests, on the session's connection. The context of fn ends with the
// request timeout. The session ends after a stall, or an error that leaves the connection out of
// step, and the link makes a new one. The end of ctx alone does not end the session.
func (s *Session) Do(ctx context.Context, fn func(context.Context, transport.Conn) error) error {
	if ctx.Err() != nil {
		return &iggyerr.ConnError{Op: "request", Addr: s.conn.Address, Err: context.Cause(ctx)}
	}
	bounded, stall := withRequestTimeout(ctx, s.link.cfg.RequestTimeout)
	defer stall.stop()
	err := s.withCause(callback.Recover(func() error { return fn(bounded, s.conn.Conn) }))
	switch {
	case err == nil:
		if !s.served.Swap(true) {
			s.link.breaker.Success()
		}
	case ctx.Err() == nil && iggyerr.BreaksConnection(err):
		s.link.endSession(s, err)
	}
	return err
}

// requestError is the error of a request for which the link closed the connection, as the other
// requests on that connection report it. It does not unwrap: a foreign answer to one request, for
// example, says nothing about the others.
type requestError struct{ err error }

func (e *requestError) Error() string {
	return "connection closed after the failure of another request: " + e.err.Error()
}

// withCause replaces the cause of a request that ended because another request had the connection
// closed. The transport reports it like the end of the client.
func (s *Session) withCause(err error) error {
	cause := s.closedBy.Load()
	var conn *iggyerr.ConnError
	if cause == nil || !errors.Is(err, iggyerr.ErrClosed) || !errors.As(err, &conn) {
		return err
	}
	return &iggyerr.ConnError{Op: conn.Op, Addr: conn.Addr, Sent: conn.Sent, Err: cause}
}

// newSession makes conn the connection of the current session.
func (l *Link) newSession(conn *connect.Connection) *Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.generation++
	l.session = &Session{link: l, conn: conn, generation: l.generation}
	l.since = time.Now()
	if l.generation > 1 {
		l.log.Info("reconnected", zap.String("address", conn.Address), zap.Uint64("generation", l.generation))
	} else {
		l.log.Info("connected", zap.String("address", conn.Address))
	}
	l.notify()
	return l.session
}

// endSession ends the session because of err.
func (l *Link) endSession(s *Session, err error) {
	l.mu.Lock()
	if l.session == s {
		l.session = nil
		l.since = time.Now()
		l.lastErr = err
		l.notify()
	}
	l.mu.Unlock()
	if err != nil && !errors.Is(err, iggyerr.ErrClosed) {
		s.closedBy.CompareAndSwap(nil, &requestError{err})
	}
	_ = s.conn.Close()
}
