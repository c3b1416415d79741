package link

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/connect"
	"github.com/fetchbox/fetchbox-iggy/internal/retry"
	"github.com/fetchbox/fetchbox-iggy/internal/startstop"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Link is one supervised connection. All methods are safe for concurrent use.
type Link struct {
	name      string
	address   string // all hosts of the endpoint
	cfg       config.Iggy
	dialer    transport.Dialer
	connector *connect.Connector
	log       *zap.Logger
	reconnect *retry.Policy
	breaker   *retry.Breaker
	meters    metric.MeterProvider // nil means no metrics
	cluster   string               // the cluster's name in metrics
	metrics   *metrics             // nil means no metrics
	life      *startstop.Lifecycle
	done      chan struct{} // closed when supervise has returned; nil before start

	mu         sync.Mutex
	session    *Session
	changed    chan struct{} // closed and replaced when session or lastErr change
	since      time.Time     // of the state
	lastErr    error
	generation uint64
	failures   uint64 // failed attempts to connect
}

// Option changes a Link while New makes it.
type Option func(*Link)

// WithLogger sets the logger; nil means none.
func WithLogger(log *zap.Logger) Option {
	return func(l *Link) {
		if log != nil {
			l.log = log.Named("link")
		}
	}
}

// WithDialer replaces the transport that the configuration names.
func WithDialer(d transport.Dialer) Option {
	return func(l *Link) { l.dialer = d }
}

// New creates a link that is called name in logs and errors. It reads the secret and certificate
// files that cfg names, does no other I/O and starts nothing. Each connection reads the files
// again, so a rotated secret needs no restart.
func New(name string, cfg config.Iggy, opts ...Option) (*Link, error) {
	l := &Link{name: name, cfg: cfg, log: zap.NewNop(), changed: make(chan struct{}), since: time.Now()}
	for _, opt := range opts {
		opt(l)
	}
	if l.dialer == nil {
		var err error
		if l.dialer, err = newDialer(cfg.Transport); err != nil {
			return nil, err
		}
	}
	l.log = l.log.With(zap.String("link", name))
	var err error
	if l.connector, err = connect.New(cfg, l.dialer, l.log); err != nil {
		return nil, err
	}
	l.address = strings.Join(cfg.Addresses(), ",")
	l.life = startstop.New(l.start, l.stop)
	l.reconnect = retry.New(cfg.Reconnect, retry.If(func(err error) bool { return !errors.Is(err, iggyerr.ErrClosed) }))
	l.breaker = retry.NewBreaker(cfg.Breaker)
	l.metrics, err = newMetrics(l.meters, name, l.cluster)
	return l, err
}

// Start starts the supervision and, unless the configuration starts it in the background, waits for
// the first session, within ctx and the start timeout. An error that a retry can't fix (refused
// credentials, a foreign protocol) ends the wait at once. A failed start releases everything and
// closes the link. Start does nothing on a running link and returns iggyerr.ErrClosed on a stopped
// one.
func (l *Link) Start(ctx context.Context) error { return l.life.Start(ctx) }

// start is called once, and not at the same time as stop.
func (l *Link) start(ctx context.Context) error {
	if l.cfg.TLS.Enabled && l.cfg.TLS.InsecureSkipVerify {
		l.log.Warn("TLS certificates are not verified: anyone on the network path can read and change everything")
	}
	l.done = make(chan struct{})
	go l.supervise(l.life.Context())
	if err := l.metrics.register(l); err != nil {
		return fmt.Errorf("iggy: %s: %w", l.name, err)
	}
	if l.cfg.Start == config.StartBackground {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, l.cfg.StartTimeout)
	defer cancel()
	if err := l.firstSession(wait); err != nil {
		return fmt.Errorf("iggy: %s: connect to %s: %w", l.name, l.address, err)
	}
	return nil
}

// firstSession waits for a session. Unlike Session it returns when an error occurs that a retry
// can't fix.
func (l *Link) firstSession(ctx context.Context) error {
	for {
		l.mu.Lock()
		session, lastErr, changed := l.session, l.lastErr, l.changed
		l.mu.Unlock()
		switch {
		case session != nil:
			return nil
		case lastErr != nil && !iggyerr.IsRetryable(lastErr):
			return lastErr
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if lastErr == nil {
				lastErr = context.Cause(ctx)
			}
			return fmt.Errorf("%w: %w", iggyerr.ErrNotConnected, lastErr)
		}
	}
}

// Stop closes the connection and waits until the supervision has ended or ctx ends. Calls in
// progress return an error that matches iggyerr.ErrClosed. Stop may be called twice and before
// Start.
func (l *Link) Stop(ctx context.Context) error { return l.life.Stop(ctx) }

// stop is called once, and not at the same time as start. The end of life.Context has ended the
// supervision before.
func (l *Link) stop(ctx context.Context, _ bool) error {
	l.metrics.unregister()
	defer l.connector.Close()
	if l.done == nil {
		return nil
	}
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("iggy: %s: stop: %w", l.name, context.Cause(ctx))
	}
}

// Live returns the current session, or nil when there is none. It never waits.
func (l *Link) Live() *Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session
}

// Session waits for a logged-in connection. It fails with iggyerr.ErrClosed on a stopped link. When
// ctx ends first, it fails with iggyerr.ErrNotConnected, which wraps the last failure.
func (l *Link) Session(ctx context.Context) (*Session, error) {
	closed := l.life.Context().Done()
	for {
		l.mu.Lock()
		session, lastErr, changed := l.session, l.lastErr, l.changed
		l.mu.Unlock()
		switch {
		case l.life.State() >= startstop.StateStopping:
			return nil, iggyerr.ErrClosed
		case session != nil:
			return session, nil
		}
		select {
		case <-changed:
		case <-closed:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%w to %s: %w", iggyerr.ErrNotConnected, l.address, context.Cause(ctx)), lastErr)
		}
	}
}

// Do runs fn on the current session and waits for one first; see Session.Do.
func (l *Link) Do(ctx context.Context, fn func(context.Context, transport.Conn) error) error {
	s, err := l.Session(ctx)
	if err != nil {
		return err
	}
	return s.Do(ctx, fn)
}

// notify wakes all goroutines that wait for a change. l.mu is held.
func (l *Link) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}
