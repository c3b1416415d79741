package native

import (
	"crypto/tls"
	"net"
	"sync/atomic"
)

// The server does not set TCP_NODELAY by default, so it holds back an answer
// while an earlier one is unacknowledged, and this end's TCP holds back an
// acknowledgement for 40 ms in the hope of something to send with it. Two
// requests in flight would then take longer than a hundred one after another
// (measured on Iggy 0.8.0: a burst of two took 44 ms, alone 0.1 ms). So what
// was read is acknowledged before more is waited for, unless a request has
// carried the acknowledgement. Only Linux has the means; elsewhere a server
// with nodelay = true is faster.

// prompt is a connection that acknowledges what was read.
type prompt struct {
	net.Conn
	acknowledge func()
	// owed tells that something was read since a write began.
	owed atomic.Bool
}

func newPrompt(nc net.Conn) *prompt {
	p := &prompt{Conn: nc}
	under := nc
	if t, ok := nc.(*tls.Conn); ok {
		under = t.NetConn()
	}
	if tcp, ok := under.(*net.TCPConn); ok {
		p.acknowledge = acknowledger(tcp)
	}
	return p
}

// Read waits for more. Only the holder of the lead may call it.
func (p *prompt) Read(b []byte) (int, error) {
	if p.acknowledge != nil && p.owed.Load() {
		p.acknowledge()
	}
	n, err := p.Conn.Read(b)
	if n > 0 {
		p.owed.Store(true)
	}
	return n, err
}

// carry tells that a request is about to go out, which will carry the
// acknowledgement of all that was read. What is read from now on is owed again,
// be it before or after the request has left.
func (p *prompt) carry() { p.owed.Store(false) }
