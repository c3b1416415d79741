package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// reconnectPolicy is retry(circuit breaker(dial)), without an end. The breaker
// opens after some connections in a row that served nothing; while it is open
// none is tried, so that nobody gets a session.
type reconnectPolicy struct {
	retry   failsafe.Executor[any]
	breaker circuitbreaker.CircuitBreaker[any]
	off     bool // of the breaker
}

// recordFailure tells the breaker, if there is one.
func (p reconnectPolicy) recordFailure() {
	if !p.off {
		p.breaker.RecordFailure()
	}
}

// broken tells that the breaker does not trust the server.
func (p reconnectPolicy) broken() bool { return !p.off && !p.breaker.IsClosed() }

func newReconnectPolicy(cfg config.Iggy) reconnectPolicy {
	retry := retrypolicy.NewBuilder[any]().
		WithMaxAttempts(-1).
		WithJitterFactor(cfg.Reconnect.Jitter).
		AbortIf(func(_ any, err error) bool { return errors.Is(err, iggyerr.ErrClosed) })
	if base, ceiling := cfg.Reconnect.BaseBackoff, cfg.Reconnect.MaxBackoff; base < ceiling {
		retry = retry.WithBackoff(base, ceiling)
	} else {
		retry = retry.WithDelay(ceiling)
	}
	return reconnectPolicy{
		retry: failsafe.With[any](retry.Build()),
		breaker: circuitbreaker.NewBuilder[any]().
			WithFailureThreshold(uint(max(cfg.Breaker.Failures, 1))). // of 0, it divides by it
			WithSuccessThreshold(1).
			WithDelay(cfg.Breaker.Delay).
			Build(),
		off: cfg.Breaker.Failures == 0,
	}
}

// supervise keeps the link connected until ctx ends.
func (l *Link) supervise(ctx context.Context) {
	defer close(l.done)
	for ctx.Err() == nil {
		// One round of the retry lasts until a connection has served for
		// longer than the longest backoff: then the backoff begins anew. A server
		// that cuts each connection soon is thus not dialled in a hot loop.
		_ = l.reconnect.retry.WithContext(ctx).RunWithExecution(func(exec failsafe.Execution[any]) error {
			return l.connection(ctx, exec.Attempts())
		})
	}
	l.mu.Lock()
	l.session = nil
	l.notify()
	l.mu.Unlock()
}

// connection is the life of one connection. It returns nil when that was long
// and useful, and otherwise why it ended.
func (l *Link) connection(ctx context.Context, attempt int) error {
	if err := l.permit(ctx); err != nil {
		return err
	}
	started := time.Now()
	conn, err := l.dial(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return iggyerr.ErrClosed
		}
		l.reconnect.recordFailure()
		l.failed(err, attempt, time.Since(started))
		return err
	}
	s := l.established(conn)
	if s == nil {
		_ = conn.Close()
		return iggyerr.ErrClosed
	}
	err = l.watch(ctx, s)
	l.drop(s, err)
	if ctx.Err() != nil {
		return iggyerr.ErrClosed
	}
	l.log.Warn("connection lost", zap.Error(err), zap.Duration("elapsed", time.Since(started)))
	if !s.served.Load() {
		l.reconnect.recordFailure()
	} else if time.Since(started) > l.cfg.Reconnect.MaxBackoff {
		return nil
	}
	return err
}

// permit waits until the breaker lets a connection be tried.
func (l *Link) permit(ctx context.Context) error {
	for !l.reconnect.breaker.TryAcquirePermit() {
		timer := time.NewTimer(max(l.reconnect.breaker.RemainingDelay(), time.Millisecond))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return iggyerr.ErrClosed
		}
	}
	return nil
}

// dial connects and logs in within the dial timeout.
func (l *Link) dial(ctx context.Context) (conn transport.Conn, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.cfg.DialTimeout, fmt.Errorf("no connection within the dial timeout of %s", l.cfg.DialTimeout))
	defer cancel()
	credentials, err := l.cfg.Credentials()
	if err != nil {
		return nil, err
	}
	tls, err := l.cfg.TLSConfig()
	if err != nil {
		return nil, err
	}
	login := transport.Credentials{
		Username: credentials.Username, Password: credentials.Password.Reveal(), Token: credentials.Token.Reveal(),
	}
	err = call(ctx, nil, func(ctx context.Context, _ transport.Conn) error {
		c, err := l.dialer.Dial(ctx, l.address, tls)
		conn = c
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := call(ctx, conn, func(ctx context.Context, c transport.Conn) error { return c.Login(ctx, login) }); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// established publishes a new connection; nil when the link was closed meanwhile.
func (l *Link) established(conn transport.Conn) *Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != phaseRunning {
		return nil
	}
	l.generation++
	l.session = &Session{link: l, conn: conn, generation: l.generation}
	l.since = time.Now()
	if l.generation > 1 {
		l.log.Info("reconnected", zap.Uint64("generation", l.generation))
	} else {
		l.log.Info("connected")
	}
	l.notify()
	return l.session
}

// failed notes a connection that could not be made.
func (l *Link) failed(err error, attempt int, elapsed time.Duration) {
	l.mu.Lock()
	l.lastErr = err
	l.failures++
	l.notify()
	l.mu.Unlock()
	l.log.Warn("cannot connect", zap.Error(err), zap.Int("attempt", attempt), zap.Duration("elapsed", elapsed))
}

// watch asks the connection for a sign of life at each interval until it ends,
// and tells why it did. A busy connection is asked, too: where the server
// looks for heartbeats, nothing but a ping counts (measured on Iggy 0.8.0).
func (l *Link) watch(ctx context.Context, s *Session) error {
	tick := time.NewTicker(l.cfg.HeartbeatInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.Done():
			return &iggyerr.ConnError{Op: "connection", Addr: l.address, Err: s.Err()}
		case <-tick.C:
			began := time.Now()
			// A failure ends the session, which the next turn sees.
			if err := s.Do(ctx, func(ctx context.Context, c transport.Conn) error { return c.Ping(ctx) }); err == nil {
				l.meter.answered(time.Since(began))
			}
		}
	}
}
