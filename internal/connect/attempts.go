package connect

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// connectDelay is how long an address may take to accept a connection before the next address is
// tried, too. RFC 8305 recommends 250 ms.
const connectDelay = 250 * time.Millisecond

// lookupDelay is how long the address of a later host waits while an earlier host is looked up.
// RFC 8305 recommends 50 ms.
const lookupDelay = 50 * time.Millisecond

// errOther is the cause of the end of the attempts when another one has succeeded or failed for
// good.
var errOther = errors.New("another address was used")

// event is what an attempt reports: that it is connected and logs in, or its end.
type event struct {
	connected  bool
	connection *Connection
	err        error
}

// dialAny tries the addresses of the hosts in order and returns the first connection that is logged
// in. An attempt continues while the next ones are made, and addresses are tried while other hosts
// are still looked up. dialAny returns when all of its attempts and lookups have ended.
func (c *Connector) dialAny(ctx context.Context, l login, hosts []string) (*Connection, error) {
	attempts, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := c.newSearch(attempts, hosts)
	events := make(chan event)
	delay := time.NewTimer(0)
	defer delay.Stop()
	if !s.inOrder() {
		delay.Reset(lookupDelay)
	}
	var (
		winner *Connection
		fatal  error
		errs   []error
		active int
	)
	over := func() bool { return winner != nil || fatal != nil || ctx.Err() != nil }
	for active > 0 || s.lookups > 0 || s.available() && !over() {
		var timer <-chan time.Time
		if s.available() && !over() {
			timer = delay.C
		}
		select {
		case <-timer:
			t, _ := s.next()
			active++
			delay.Reset(connectDelay)
			go c.attempt(attempts, l, t, events)
		case r := <-s.results:
			s.add(r)
			if r.err != nil && !errors.Is(r.err, errOther) {
				errs = append(errs, r.err)
			}
			if active == 0 && s.inOrder() {
				delay.Reset(0)
			}
		case e := <-events:
			if e.connected {
				delay.Reset(loginAllowance(ctx, s.left()))
				continue
			}
			active--
			switch {
			case e.err == nil && winner == nil && fatal == nil:
				winner = e.connection
				cancel(errOther)
			case e.err == nil:
				_ = e.connection.Close()
			case errors.Is(e.err, errOther):
			case errors.Is(e.err, iggyerr.ErrCredentials) && winner == nil:
				fatal = e.err
				cancel(errOther)
			default:
				errs = append(errs, e.err)
				delay.Reset(0)
			}
		}
	}
	switch {
	case winner != nil:
		return winner, nil
	case fatal != nil:
		return nil, fatal
	case len(errs) == 0:
		return nil, &iggyerr.ConnError{Op: "connect", Addr: c.cfg.Address(), Err: context.Cause(ctx)}
	}
	return nil, joinAttempts(errs...)
}

// loginAllowance is how long a server that has accepted a connection may take for the login before
// the next address is tried, too: an equal share of the remaining time. A login takes 190 ms on an
// idle server 0.8.0, and much longer on a busy one.
func loginAllowance(ctx context.Context, left int) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return connectDelay
	}
	return max(connectDelay, time.Until(deadline)/time.Duration(left+1))
}

// attempt connects to one target, logs in and reads the metadata of the cluster.
func (c *Connector) attempt(ctx context.Context, l login, t Target, events chan<- event) {
	connection, err := c.dialAndLogIn(ctx, l, t, func() { events <- event{connected: true} })
	if err != nil && !errors.Is(err, errOther) {
		c.registry.forget(t.Address)
	}
	events <- event{connection: connection, err: err}
}

// dialAndLogIn makes a connection to one target. It calls connected when the server has accepted the
// connection.
func (c *Connector) dialAndLogIn(ctx context.Context, l login, t Target, connected func()) (*Connection, error) {
	connection, err := c.dial(ctx, l, t)
	if err != nil {
		return nil, err
	}
	connected()
	err = c.FirstRequest(ctx, connection, func(ctx context.Context) error { return c.login(ctx, connection, l) })
	if err == nil {
		connection.Cluster, err = c.readCluster(ctx, connection)
	}
	if err != nil {
		_ = connection.Close()
		return nil, err
	}
	return connection, nil
}

// dial makes a connection to one target, which is not logged in.
func (c *Connector) dial(ctx context.Context, l login, t Target) (*Connection, error) {
	encryption := c.tlsFor(l.tls, t)
	var conn transport.Conn
	err := callback.Recover(func() (err error) {
		conn, err = c.dialer.Dial(ctx, t.Address, encryption)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Connection{Conn: conn, Address: t.Name, TLS: encryption, target: t}, nil
}

// tlsFor is cfg with the name that the certificate of the target must have.
func (c *Connector) tlsFor(cfg *tls.Config, t Target) *tls.Config {
	if cfg == nil || c.cfg.TLS.ServerName != "" {
		return cfg
	}
	cfg = cfg.Clone()
	cfg.ServerName = c.nameOf(t)
	return cfg
}

// readCluster reads the metadata of the cluster. It makes no request when the server is known to be
// the only one.
func (c *Connector) readCluster(ctx context.Context, connection *Connection) (transport.Cluster, error) {
	reader, ok := connection.Conn.(transport.ClusterReader)
	if !ok {
		return transport.Cluster{}, nil
	}
	var cluster transport.Cluster
	err := c.registry.readOnce(ctx, c, connection.target.Address, func() (single bool, err error) {
		err = callback.Recover(func() (err error) {
			cluster, err = reader.Cluster(ctx)
			return err
		})
		var status *iggyerr.StatusError
		if errors.As(err, &status) && !iggyerr.BreaksConnection(err) {
			// The server knows no clusters.
			cluster, err = transport.Cluster{}, nil
		}
		return len(cluster.Nodes) <= 1, err
	})
	return cluster, err
}

// joinAttempts joins the errors of several attempts. A retry may fix the whole when it may fix one
// of them: then only such errors are unwrapped.
func joinAttempts(errs ...error) error {
	var all, retryable []error
	for _, err := range errs {
		if err == nil {
			continue
		}
		all = append(all, err)
		if iggyerr.IsRetryable(err) {
			retryable = append(retryable, err)
		}
	}
	switch {
	case len(all) == 0:
		return nil
	case len(all) == 1:
		return all[0]
	case len(retryable) > 0:
		return &attemptsError{attempts: all, causes: retryable}
	}
	return &attemptsError{attempts: all, causes: all}
}

// attemptsError is the error of several attempts to connect.
type attemptsError struct{ attempts, causes []error }

func (e *attemptsError) Error() string {
	texts := make([]string, len(e.attempts))
	for i, err := range e.attempts {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (e *attemptsError) Unwrap() []error { return e.causes }
