package native

import (
	"context"
	"sync"
	"time"
)

// socketUse is what a call does with the socket at the moment.
type socketUse uint8

const (
	useNone socketUse = iota
	useWrite
	useRead
)

// pastDeadline as a deadline interrupts a blocked read or write.
var pastDeadline = time.Unix(1, 0)

// interrupter interrupts a call's reads and writes when the call's context ends. One registration
// with the context serves the whole call.
type interrupter struct {
	mu          sync.Mutex
	use         socketUse
	ended       bool // the context has ended
	deadlineSet bool // the socket has pastDeadline for this use

	conn *conn
	stop func() bool
}

// watch begins to watch ctx, which may have no end.
func (g *interrupter) watch(ctx context.Context, c *conn, interrupt func()) {
	g.conn = c
	if ctx.Done() != nil {
		g.stop = context.AfterFunc(ctx, interrupt)
	}
}

// stopWatching ends the watch. It returns false when interrupt may still run, so that the
// interrupter must not be used again.
func (g *interrupter) stopWatching() bool { return g.stop == nil || g.stop() }

// interrupt runs when the context has ended.
func (g *interrupter) interrupt() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	g.setPastDeadline()
}

func (g *interrupter) setPastDeadline() {
	switch g.use {
	case useWrite:
		g.deadlineSet = g.conn.nc.SetWriteDeadline(pastDeadline) == nil
	case useRead:
		g.deadlineSet = g.conn.nc.SetReadDeadline(pastDeadline) == nil
	case useNone:
	}
}

// begin begins a use of the socket, which the end of the context interrupts.
func (g *interrupter) begin(r socketUse) {
	if g.stop == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.use = r
	if g.ended {
		g.setPastDeadline()
	}
}

// end ends the use and resets the socket's deadline.
func (g *interrupter) end() {
	if g.stop == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.deadlineSet {
		if g.use == useWrite {
			_ = g.conn.nc.SetWriteDeadline(time.Time{})
		} else {
			_ = g.conn.nc.SetReadDeadline(time.Time{})
		}
	}
	g.use, g.deadlineSet = useNone, false
}
