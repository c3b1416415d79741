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
	answered   atomic.Bool // since the last heartbeat, a request succeeded
	served     atomic.Bool // some request succeeded
}

// Generation counts the connections of a link, from 1.
func (s *Session) Generation() uint64 { return s.generation }

// Done is closed when the session is over.
func (s *Session) Done() <-chan struct{} { return s.conn.Done() }

// Err is why the session is over; nil before.
func (s *Session) Err() error { return s.conn.Err() }

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
	err := call(bounded, s.conn, fn)
	switch {
	case err == nil:
		s.answered.Store(true)
		if !s.served.Swap(true) {
			s.link.reconnect.breaker.RecordSuccess()
		}
	case ctx.Err() == nil && iggyerr.BreaksConnection(err):
		s.link.drop(s, err)
	default:
		var status *iggyerr.StatusError
		if errors.As(err, &status) {
			s.answered.Store(true)
		}
	}
	return err
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
	_ = s.conn.Close()
}
