package native

import (
	"crypto/tls"
	"net"
	"sync/atomic"
)

// The server does not set TCP_NODELAY by default, so it holds back an answer while an earlier one
// is unacknowledged. This end's TCP delays an acknowledgement by 40 ms, to send it with data. Two
// requests in flight then take longer than a hundred one after another (measured on Iggy 0.8.0: two
// together took 44 ms, one alone 0.1 ms). So a read sends the acknowledgement of earlier reads
// first, unless a request has carried it. Only Linux can do that. On other systems a server with
// nodelay = true is faster.

// ackConn is a connection that acknowledges at once what was read.
type ackConn struct {
	net.Conn
	acknowledge func()
	// unacknowledged tells that something was read since the last write began.
	unacknowledged atomic.Bool
}

func newAckConn(nc net.Conn) *ackConn {
	p := &ackConn{Conn: nc}
	under := nc
	if t, ok := nc.(*tls.Conn); ok {
		under = t.NetConn()
	}
	if tcp, ok := under.(*net.TCPConn); ok {
		p.acknowledge = quickAck(tcp)
	}
	return p
}

// Read waits for bytes. Only the holder of the read lock may call it.
func (p *ackConn) Read(b []byte) (int, error) {
	if p.acknowledge != nil && p.unacknowledged.Load() {
		p.acknowledge()
	}
	n, err := p.Conn.Read(b)
	if n > 0 {
		p.unacknowledged.Store(true)
	}
	return n, err
}

// requestFollows tells that a request is about to be written, which carries the acknowledgement of
// all that was read.
func (p *ackConn) requestFollows() { p.unacknowledged.Store(false) }
