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

// Connect opens the socket of a connection: TCP without delay, and TLS when cfg is not nil. It ends
// with ctx, the handshake included. A server name that cfg lacks is taken from the address. Errors
// are *iggyerr.ConnError with the command "connect".
func Connect(ctx context.Context, address string, cfg *tls.Config) (net.Conn, error) {
	// net sets TCP_NODELAY on every connection that it dials.
	var dialer net.Dialer
	nc, err := dialer.DialContext(ctx, "tcp", address)
	if err == nil && cfg != nil {
		nc, err = startTLS(ctx, nc, address, cfg)
	}
	if err != nil {
		return nil, &iggyerr.ConnError{Op: "connect", Addr: address, Err: CauseOf(ctx, err)}
	}
	return nc, nil
}

// startTLS makes a TLS connection of nc. It closes nc when that fails.
func startTLS(ctx context.Context, nc net.Conn, address string, cfg *tls.Config) (net.Conn, error) {
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
		return nil, handshakeError(ctx, err)
	}
	return conn, nil
}

// CauseOf returns the context's cause when err is due to the end of the context, and err otherwise.
// Sockets have deadlines of their own, which may pass a little before the context ends.
func CauseOf(ctx context.Context, err error) error {
	if deadline, ok := ctx.Deadline(); ok && errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Abort closes a socket at once. The regular Close of a TLS connection sends an alert, which waits
// up to five seconds for a peer that does not read.
func Abort(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	_ = nc.Close()
}
