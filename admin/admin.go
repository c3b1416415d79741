package admin

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/internal/connect"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
)

// Admin makes requests of the control plane, one after another, on one connection. It connects at
// the first request, keeps the connection, and replaces it after a failure. It is safe for
// concurrent use: calls wait for each other. A call returns at once when its context ends, also
// during a request.
//
// Errors are *iggyerr.StatusError for an error answer of the server, which names the object,
// *iggyerr.ConnError for a request that ended without an answer, and iggyerr.ErrClosed after Close.
type Admin struct {
	cfg       config.Iggy
	log       *zap.Logger
	connector *connect.Connector

	// conn holds the kept connection, nil when there is none. Whoever has received it may make
	// requests, and sends it back. Close receives it for good.
	conn   chan transport.Conn
	closed context.Context // ends at Close
	cancel context.CancelCauseFunc
}

// Option changes an Admin while New makes it.
type Option func(*Admin)

// WithLogger logs what is created (Info) and what differs (Warn). The default logs nothing.
func WithLogger(log *zap.Logger) Option {
	return func(a *Admin) {
		if log != nil {
			a.log = log.Named("admin")
		}
	}
}

// New makes an Admin for one cluster. Its requests go to the leader. It validates the configuration
// and reads the files that it names; it does no other I/O. It uses the SDK whatever transport is
// configured.
func New(cfg config.Iggy, opts ...Option) (*Admin, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	a := &Admin{cfg: cfg, log: zap.NewNop(), conn: make(chan transport.Conn, 1)}
	a.closed, a.cancel = context.WithCancelCause(context.Background())
	a.conn <- nil
	if err := argument.Apply(a, opts); err != nil {
		return nil, err
	}
	var err error
	if a.connector, err = connect.New(cfg, sdk.Dialer{}, a.log); err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	return a, nil
}

// Close closes the connection. Requests in flight return iggyerr.ErrClosed. It may be called twice.
func (a *Admin) Close() error {
	a.cancel(iggyerr.ErrClosed)
	defer a.connector.Close()
	// Only the first call receives the connection: do returns it, and nobody acquires it after the
	// end.
	if conn, ok := <-a.conn; ok {
		close(a.conn)
		if conn != nil {
			return conn.Close()
		}
	}
	return nil
}
