package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

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
		// The dialer's own error for a context that ended hides its cause.
		var record tls.RecordHeaderError
		switch {
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case errors.As(err, &record):
			err = fmt.Errorf("%w: TLS is configured, but %w", iggyerr.ErrProtocol, err)
		}
		return nil, &iggyerr.ConnError{Op: "connect", Addr: address, Err: err}
	}
	return nc, nil
}

// Abort closes a socket at once. Closing a TLS connection in the regular way
// sends a farewell, which waits up to five seconds for a peer that does not read.
func Abort(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	_ = nc.Close()
}
