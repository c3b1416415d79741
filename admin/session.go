package admin

import (
	"context"
	"fmt"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
)

// session makes requests on one connection, each within the request timeout.
type session struct {
	admin *Admin
	conn  transport.Conn
}

// do runs requests on the kept connection. When that is broken, it runs them once more on a new
// one, so they must be safe to repeat.
func (a *Admin) do(ctx context.Context, requests func(context.Context, session) error) (err error) {
	if err := argument.Context(ctx); err != nil {
		return err
	}
	ctx, cancel := a.untilClosed(ctx)
	defer cancel()
	conn, err := a.acquire(ctx)
	if err != nil {
		return err
	}
	defer func() { a.conn <- conn }()

	for kept := conn != nil; ; kept = false {
		if conn == nil {
			if conn, err = a.connect(ctx); err != nil {
				return err
			}
		}
		err = requests(ctx, session{a, conn})
		if !iggyerr.BreaksConnection(err) && conn.Err() == nil {
			return err
		}
		_ = conn.Close()
		conn = nil
		if err == nil || !kept || ctx.Err() != nil {
			return err
		}
	}
}

// onNewConn runs requests on a new connection, and closes it afterwards.
func (a *Admin) onNewConn(ctx context.Context, requests func(context.Context, session) error) error {
	if err := argument.Context(ctx); err != nil {
		return err
	}
	ctx, cancel := a.untilClosed(ctx)
	defer cancel()
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return requests(ctx, session{a, conn})
}

// untilClosed is ctx that also ends at Close.
func (a *Admin) untilClosed(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.closed.Err() != nil {
		return a.closed, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(a.closed, func() { cancel(context.Cause(a.closed)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// acquire waits until no other call uses the connection, and receives it. It is nil when none is
// kept, or when it broke while it was idle.
func (a *Admin) acquire(ctx context.Context) (transport.Conn, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("admin: %w", context.Cause(ctx))
	}
	select {
	case conn, ok := <-a.conn:
		if !ok {
			return nil, iggyerr.ErrClosed
		}
		if conn != nil && conn.Err() != nil {
			_ = conn.Close()
			conn = nil
		}
		return conn, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("admin: waiting for another request: %w", context.Cause(ctx))
	}
}

// connect opens a connection to the leader and logs in.
func (a *Admin) connect(ctx context.Context) (transport.Conn, error) {
	if a.cfg.TLS.InsecureSkipVerify {
		a.log.Warn("the server's certificate is not verified", zap.String("address", a.cfg.Address()))
	}
	connection, err := a.connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return connection.Conn, nil
}

// bounded runs one request within the request timeout.
func (s session) bounded(ctx context.Context, request func(context.Context) error) error {
	limit := s.admin.cfg.RequestTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within the request timeout of %s", limit))
	defer cancel()
	return request(ctx)
}

// call makes one request with the SDK.
func (s session) call(ctx context.Context, op, object string, call func(*tcp.IggyTcpClient) error) error {
	return s.bounded(ctx, func(ctx context.Context) error { return sdk.Control(ctx, s.conn, op, object, call) })
}

// identifier is a name in the form of the SDK. transport.CheckNames has checked it.
func identifier(name string) iggcon.Identifier {
	return iggcon.Identifier{Kind: iggcon.StringId, Length: len(name), Value: []byte(name)}
}
