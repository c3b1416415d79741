package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
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
	var nc net.Conn
	var err error
	if cfg == nil {
		nc, err = dialer.DialContext(ctx, "tcp", address)
	} else {
		nc, err = (&tls.Dialer{NetDialer: &dialer, Config: cfg}).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		var record tls.RecordHeaderError
		if errors.As(err, &record) {
			err = fmt.Errorf("%w: TLS is configured, but %w", iggyerr.ErrProtocol, err)
		}
		err = EndOf(ctx, err)
		return nil, &iggyerr.ConnError{Op: "connect", Addr: address, Err: err}
	}
	return nc, nil
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
