package link

import (
	"context"
	"errors"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// errStalled is the cause with which a request ends that the server did not
// answer within the request timeout.
var errStalled = errors.New("no answer within the request timeout")

// Session is the life of one connection: everything learned under it, a
// membership in a group for example, ends with it. Its methods are safe for
// concurrent use.
type Session struct {
	link       *Link
	conn       transport.Conn
	generation uint64
	served     atomic.Bool // some request succeeded
	givenUp    atomic.Pointer[givenUpError]
}

// Generation counts the connections of a link, from 1.
func (s *Session) Generation() uint64 { return s.generation }

// Done is closed when the session is over.
func (s *Session) Done() <-chan struct{} { return s.conn.Done() }

// Err is why the session is over; nil before.
func (s *Session) Err() error {
	err := s.conn.Err()
	if why := s.givenUp.Load(); err != nil && why != nil {
		return why.cause
	}
	return err
}

// Do runs fn, one or more requests, on the session's connection. The context
// that fn gets ends with the request timeout. After a stall or an error that
// puts the connection out of step the session is over, and the link makes a
// new one. The end of ctx alone does not end the session.
func (s *Session) Do(ctx context.Context, fn func(context.Context, transport.Conn) error) error {
	if ctx.Err() != nil {
		return &iggyerr.ConnError{Op: "request", Addr: s.link.address, Err: context.Cause(ctx)}
	}
	bounded, cancel := context.WithTimeoutCause(ctx, s.link.cfg.RequestTimeout, errStalled)
	defer cancel()
	err := s.blameless(call(bounded, s.conn, fn))
	switch {
	case err == nil:
		if !s.served.Swap(true) {
			s.link.reconnect.breaker.RecordSuccess()
		}
	case ctx.Err() == nil && iggyerr.BreaksConnection(err):
		s.link.drop(s, err)
	}
	return err
}

// givenUpError is why a link gave up a connection, as the other requests on it
// are told: in words only, since what was wrong with one request, a foreign
// answer for example, says nothing about the others.
type givenUpError struct{ cause error }

func (e *givenUpError) Error() string { return "the connection was given up: " + e.cause.Error() }

// blameless tells a request apart that ended because another one had the connection given up: to the
// transport that looks like the end of the client.
func (s *Session) blameless(err error) error {
	why := s.givenUp.Load()
	var conn *iggyerr.ConnError
	if why == nil || !errors.Is(err, iggyerr.ErrClosed) || !errors.As(err, &conn) {
		return err
	}
	return &iggyerr.ConnError{Op: conn.Op, Addr: conn.Addr, Sent: conn.Sent, Err: why}
}

// call runs fn and makes an error of its panic.
func call(ctx context.Context, conn transport.Conn, fn func(context.Context, transport.Conn) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &iggyerr.PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return fn(ctx, conn)
}

// drop ends the session because of err.
func (l *Link) drop(s *Session, err error) {
	l.mu.Lock()
	if l.session == s {
		l.session = nil
		l.since = time.Now()
		l.lastErr = err
		l.notify()
	}
	l.mu.Unlock()
	if err != nil && !errors.Is(err, iggyerr.ErrClosed) {
		s.givenUp.CompareAndSwap(nil, &givenUpError{err})
	}
	_ = s.conn.Close()
}
