package link

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Link is one supervised connection. All methods are safe for concurrent use.
type Link struct {
	name      string
	address   string
	cfg       config.Iggy
	dialer    transport.Dialer
	log       *zap.Logger
	reconnect reconnectPolicy
	meters    metric.MeterProvider // nil: nothing is measured
	cluster   string               // of meters
	meter     *meter               // nil: nothing is measured

	mu         sync.Mutex
	phase      phase
	session    *Session
	changed    chan struct{} // closed and replaced when session, phase or lastErr change
	since      time.Time
	lastErr    error
	generation uint64
	failures   uint64 // attempts to connect that failed
	// registration ends the observation of a running link.
	registration metric.Registration
	cancel       context.CancelCauseFunc
	done         chan struct{} // closed when supervise has returned
}

type phase uint8

const (
	phaseNew phase = iota
	phaseRunning
	phaseClosed
)

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

// New makes a link that is called name in logs and errors. It reads the
// secret and certificate files that cfg names, does no other I/O and starts
// nothing. The files are read again for each connection, so that what was
// rotated needs no restart.
func New(name string, cfg config.Iggy, opts ...Option) (*Link, error) {
	l := &Link{name: name, cfg: cfg, log: zap.NewNop(), changed: make(chan struct{}), since: time.Now()}
	for _, opt := range opts {
		opt(l)
	}
	if l.address = cfg.Address(); l.address == "" {
		return nil, errors.New("iggy.endpoint: must be iggy://host:port or tcp://host:port")
	}
	if _, err := cfg.Credentials(); err != nil {
		return nil, err
	}
	if _, err := cfg.TLSConfig(); err != nil {
		return nil, err
	}
	if l.dialer == nil {
		var err error
		if l.dialer, err = dialerOf(cfg.Transport); err != nil {
			return nil, err
		}
	}
	l.log = l.log.With(zap.String("link", name), zap.String("address", l.address))
	l.reconnect = newReconnectPolicy(cfg)
	var err error
	l.meter, err = newMeter(l.meters, name, l.cluster)
	return l, err
}

// Start begins to supervise and waits for the first session, within ctx and
// the start timeout. An error that another attempt can't mend (refused
// credentials, a foreign protocol) ends it at once. A start that failed has
// released everything, and the link is closed. Starting a started link does nothing;
// a stopped one returns iggyerr.ErrClosed.
func (l *Link) Start(ctx context.Context) error {
	l.mu.Lock()
	switch l.phase {
	case phaseRunning:
		l.mu.Unlock()
		return nil
	case phaseClosed:
		l.mu.Unlock()
		return iggyerr.ErrClosed
	}
	l.phase = phaseRunning
	run, cancel := context.WithCancelCause(context.Background())
	l.cancel, l.done = cancel, make(chan struct{})
	l.mu.Unlock()
	if l.cfg.TLS.Enabled && l.cfg.TLS.InsecureSkipVerify {
		l.log.Warn("TLS certificates are not verified: anyone on the way can read and change everything")
	}
	go l.supervise(run)

	if err := l.beginMeasuring(); err != nil {
		_ = l.Stop(context.WithoutCancel(ctx))
		return fmt.Errorf("iggy: %s: %w", l.name, err)
	}
	wait, stop := context.WithTimeout(ctx, l.cfg.StartTimeout)
	defer stop()
	if err := l.firstSession(wait); err != nil {
		_ = l.Stop(context.WithoutCancel(ctx))
		return fmt.Errorf("iggy: %s: connect to %s: %w", l.name, l.address, err)
	}
	return nil
}

// firstSession waits like Session, but not for an error that stays.
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

// Stop closes the connection and waits for the supervision to end, or for ctx.
// Calls under way return with iggyerr.ErrClosed in their chain. It may be
// called twice and before Start.
func (l *Link) Stop(ctx context.Context) error {
	l.mu.Lock()
	l.phase = phaseClosed
	cancel, done := l.cancel, l.done
	l.notify()
	l.mu.Unlock()
	l.endMeasuring()
	if cancel == nil {
		return nil
	}
	cancel(iggyerr.ErrClosed)
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("iggy: %s: stop: %w", l.name, context.Cause(ctx))
	}
}

// Session waits for a live, logged-in connection. It fails with
// iggyerr.ErrClosed on a stopped link, and with iggyerr.ErrNotConnected, which
// wraps the last failure, when ctx ends first.
func (l *Link) Session(ctx context.Context) (*Session, error) {
	for {
		l.mu.Lock()
		session, phase, lastErr, changed := l.session, l.phase, l.lastErr, l.changed
		l.mu.Unlock()
		switch {
		case phase == phaseClosed:
			return nil, iggyerr.ErrClosed
		case session != nil:
			return session, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%w to %s: %w", iggyerr.ErrNotConnected, l.address, context.Cause(ctx)), lastErr)
		}
	}
}

// Do runs fn on the present session, waiting for one first; see Session.Do.
func (l *Link) Do(ctx context.Context, fn func(context.Context, transport.Conn) error) error {
	s, err := l.Session(ctx)
	if err != nil {
		return err
	}
	return s.Do(ctx, fn)
}

// notify wakes everyone who waits for a change. l.mu is held.
func (l *Link) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}
