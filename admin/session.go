package admin

import (
	"context"
	"fmt"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
)

// session makes requests on one connection, each within the request timeout.
type session struct {
	admin *Admin
	conn  transport.Conn
}

// do runs requests of which it is safe to make all once more: it does so, on a new
// connection, when the kept one turns out to be broken.
func (a *Admin) do(ctx context.Context, requests func(context.Context, session) error) (err error) {
	ctx, cancel := a.within(ctx)
	defer cancel()
	conn, err := a.take(ctx)
	if err != nil {
		return err
	}
	defer func() { a.turn <- conn }()

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

// fresh runs requests on a connection of their own, which ends with them.
func (a *Admin) fresh(ctx context.Context, requests func(context.Context, session) error) error {
	ctx, cancel := a.within(ctx)
	defer cancel()
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return requests(ctx, session{a, conn})
}

// within is ctx until Close.
func (a *Admin) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.life.Err() != nil {
		return a.life, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(a.life, func() { cancel(context.Cause(a.life)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// take waits for the turn. The connection is nil when none is kept, or it broke
// while it was idle.
func (a *Admin) take(ctx context.Context) (transport.Conn, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("admin: %w", context.Cause(ctx))
	}
	select {
	case conn, ok := <-a.turn:
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

func (a *Admin) connect(ctx context.Context) (transport.Conn, error) {
	credentials, err := a.cfg.Credentials()
	if err != nil {
		return nil, err
	}
	encryption, err := a.cfg.TLSConfig()
	if err != nil {
		return nil, err
	}
	if a.cfg.TLS.InsecureSkipVerify {
		a.log.Warn("the server's certificate is not verified", zap.String("address", a.Address()))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, a.cfg.DialTimeout, fmt.Errorf("no connection within the dial timeout of %s", a.cfg.DialTimeout))
	defer cancel()
	conn, err := a.dialer.Dial(ctx, a.Address(), encryption)
	if err != nil {
		return nil, err
	}
	err = conn.Login(ctx, transport.Credentials{
		Username: credentials.Username, Password: credentials.Password.Reveal(), Token: credentials.Token.Reveal(),
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
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

// id is a name as the SDK takes it; transport.CheckNames has seen it.
func id(name string) iggcon.Identifier {
	return iggcon.Identifier{Kind: iggcon.StringId, Length: len(name), Value: []byte(name)}
}
