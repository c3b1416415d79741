package admin

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
)

// Admin makes requests of the control plane, one after another, on a connection
// that it opens when it is first needed, keeps, and replaces after any failure.
// It is safe for concurrent use: calls wait for their turn until their context
// ends. A context that ends frees its caller at once, in the middle of a request,
// too.
//
// Errors are *iggyerr.StatusError for an answer of the server, which names the
// object, *iggyerr.ConnError for everything that ended a request without one,
// and iggyerr.ErrClosed after Close.
type Admin struct {
	cfg    config.Iggy
	log    *zap.Logger
	dialer transport.Dialer

	// turn holds the kept connection, nil when there is none; who has taken it
	// out may make requests. It is empty for ever after Close.
	turn chan transport.Conn
	life context.Context // ends with Close
	end  context.CancelCauseFunc
}

// Option changes an Admin while New makes it.
type Option func(*Admin)

// WithLogger logs what is created (Info) and what differs (Warn). The default logs
// nothing.
func WithLogger(log *zap.Logger) Option {
	return func(a *Admin) {
		if log != nil {
			a.log = log.Named("admin")
		}
	}
}

// New makes an Admin for one server. It does no I/O but to read the files that the
// configuration names, which it validates. The configured transport does not
// matter: administration stays with the SDK.
func New(cfg config.Iggy, opts ...Option) (*Admin, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	a := &Admin{cfg: cfg, log: zap.NewNop(), dialer: sdk.Dialer{}, turn: make(chan transport.Conn, 1)}
	a.life, a.end = context.WithCancelCause(context.Background())
	a.turn <- nil
	for _, opt := range opts {
		opt(a)
	}
	return a, nil
}

// Close ends requests under way, which return iggyerr.ErrClosed, and the
// connection. It may be called twice.
func (a *Admin) Close() error {
	a.end(iggyerr.ErrClosed)
	// Only the first call gets the connection, since do returns none after the end.
	if conn, ok := <-a.turn; ok {
		close(a.turn)
		if conn != nil {
			return conn.Close()
		}
	}
	return nil
}

// Address is the server's host:port.
func (a *Admin) Address() string { return a.cfg.Address() }
