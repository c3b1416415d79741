package link

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// supervise keeps the link connected until ctx ends. The breaker opens after several connections in
// a row that served no request. While it is open, no connection is tried.
func (l *Link) supervise(ctx context.Context) {
	defer close(l.done)
	for ctx.Err() == nil {
		// One use of the retry policy lasts until a connection has served for longer than the
		// longest backoff. Then the backoff starts again from its base. So a server that soon cuts
		// each connection is not dialled in a hot loop.
		_ = l.reconnect.Do(ctx, func(_ context.Context, attempt int) error {
			return l.runConnection(ctx, attempt)
		})
	}
	l.mu.Lock()
	l.session = nil
	l.notify()
	l.mu.Unlock()
}

// runConnection makes one connection and supervises it until it ends. It returns nil when the
// connection lasted long and served requests, and otherwise why it ended.
func (l *Link) runConnection(ctx context.Context, attempt int) error {
	if err := l.breaker.Wait(ctx); err != nil {
		return iggyerr.ErrClosed
	}
	started := time.Now()
	conn, err := l.connector.Connect(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return iggyerr.ErrClosed
		}
		l.breaker.Failure()
		l.connectFailed(err, attempt, time.Since(started))
		return err
	}
	if ctx.Err() != nil {
		_ = conn.Close()
		return iggyerr.ErrClosed
	}
	s := l.newSession(conn)
	err = l.heartbeat(ctx, s)
	l.endSession(s, err)
	if ctx.Err() != nil {
		return iggyerr.ErrClosed
	}
	l.log.Warn("connection lost", zap.String("address", s.conn.Address), zap.Error(err), zap.Duration("elapsed", time.Since(started)))
	if !s.served.Load() {
		l.breaker.Failure()
	} else if time.Since(started) > l.cfg.Reconnect.MaxBackoff {
		return nil
	}
	return err
}

// connectFailed notes and logs a failed attempt to connect.
func (l *Link) connectFailed(err error, attempt int, elapsed time.Duration) {
	l.mu.Lock()
	l.lastErr = err
	l.failures++
	l.notify()
	l.mu.Unlock()
	l.log.Warn("cannot connect", zap.String("address", l.address), zap.Error(err), zap.Int("attempt", attempt), zap.Duration("elapsed", elapsed))
}

// heartbeat pings the server at each interval until the session ends, and returns why it ended. It
// also pings over a busy connection: a server that checks heartbeats counts nothing but pings
// (measured on Iggy 0.8.0). A session that is no longer at the leader of the cluster ends.
func (l *Link) heartbeat(ctx context.Context, s *Session) error {
	tick := time.NewTicker(l.cfg.HeartbeatInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.Done():
			return &iggyerr.ConnError{Op: "connection", Addr: s.conn.Address, Err: s.Err()}
		case <-tick.C:
			start := time.Now()
			// A failure ends the session, which the next round of the loop notices.
			if err := s.Do(ctx, func(ctx context.Context, c transport.Conn) error { return c.Ping(ctx) }); err != nil {
				continue
			}
			l.metrics.observeHeartbeat(time.Since(start))
			_ = s.Do(ctx, func(ctx context.Context, _ transport.Conn) error { return l.connector.CheckLeader(ctx, s.conn) })
		}
	}
}
