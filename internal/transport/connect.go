package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// Connect opens the socket under a connection: TCP without delay, TLS over it
// when cfg is not nil. It ends with ctx, the handshake included. A server name
// that cfg lacks is taken from the address. Errors are *iggyerr.ConnError with
// the command "connect".
func Connect(ctx context.Context, address string, cfg *tls.Config) (net.Conn, error) {
	// net sets TCP_NODELAY on every connection that it dials.
	var dialer net.Dialer
	nc, err := dialer.DialContext(ctx, "tcp", address)
	if err == nil && cfg != nil {
		nc, err = encrypt(ctx, nc, address, cfg)
	}
	if err != nil {
		return nil, &iggyerr.ConnError{Op: "connect", Addr: address, Err: EndOf(ctx, err)}
	}
	return nc, nil
}

// encrypt makes a TLS connection of nc, which it closes when that fails.
func encrypt(ctx context.Context, nc net.Conn, address string, cfg *tls.Config) (net.Conn, error) {
	if cfg.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, errors.Join(err, nc.Close())
		}
		cfg = cfg.Clone()
		cfg.ServerName = host
	}
	conn := tls.Client(nc, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, handshake(ctx, err)
	}
	return conn, nil
}

// EndOf is the context's cause when its end is why err came, and err otherwise.
// Sockets have deadlines of their own, which may be a little ahead of the context.
func EndOf(ctx context.Context, err error) error {
	if deadline, ok := ctx.Deadline(); ok && errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Abort closes a socket at once. Closing a TLS connection in the regular way
// sends a farewell, which waits up to five seconds for a peer that does not read.
func Abort(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	_ = nc.Close()
}
