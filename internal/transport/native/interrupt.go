package native

import (
	"context"
	"sync"
	"time"
)

// role is what a call does to the socket at the moment.
type role uint8

const (
	idle role = iota
	writing
	reading
)

// past, as a deadline, ends what blocks on a socket.
var past = time.Unix(1, 0)

// guard ends a call's reads and writes when the call's context ends. One
// registration with the context serves the whole call.
type guard struct {
	mu       sync.Mutex
	role     role
	over     bool // the context has ended
	poisoned bool // the socket's deadline for role is past

	conn *conn
	stop func() bool
}

// start begins to watch ctx, which may have no end.
func (g *guard) start(ctx context.Context, c *conn, interrupt func()) {
	g.conn = c
	if ctx.Done() != nil {
		g.stop = context.AfterFunc(ctx, interrupt)
	}
}

// finish ends the watch. It reports false when interrupt may still run, so
// that nothing may use the guard again.
func (g *guard) finish() bool { return g.stop == nil || g.stop() }

// interrupt runs when the context has ended.
func (g *guard) interrupt() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	g.poison()
}

func (g *guard) poison() {
	switch g.role {
	case writing:
		g.poisoned = g.conn.nc.SetWriteDeadline(past) == nil
	case reading:
		g.poisoned = g.conn.nc.SetReadDeadline(past) == nil
	case idle:
	}
}

// enter takes on a role; the context's end will end it.
func (g *guard) enter(r role) {
	if g.stop == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.role = r
	if g.over {
		g.poison()
	}
}

// leave ends the role, and mends the socket for the next one in it.
func (g *guard) leave() {
	if g.stop == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.poisoned {
		if g.role == writing {
			_ = g.conn.nc.SetWriteDeadline(time.Time{})
		} else {
			_ = g.conn.nc.SetReadDeadline(time.Time{})
		}
	}
	g.role, g.poisoned = idle, false
}
