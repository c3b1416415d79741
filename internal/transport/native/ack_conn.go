package native

import (
	"crypto/tls"
	"net"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/internal/quickack"
)

// ackConn is a connection that acknowledges at once what was read: a read sends the acknowledgement of
// earlier reads first, unless a request has carried it. See package quickack.
type ackConn struct {
	net.Conn
	acknowledge func()
	// unacknowledged tells that something was read since the last write began.
	unacknowledged atomic.Bool
}

func newAckConn(nc net.Conn) *ackConn {
	c := &ackConn{Conn: nc}
	under := nc
	if t, ok := nc.(*tls.Conn); ok {
		under = t.NetConn()
	}
	if tcp, ok := under.(*net.TCPConn); ok {
		c.acknowledge = quickack.Acknowledger(tcp)
	}
	return c
}

// Read waits for bytes. Only the holder of the read lock may call it.
func (c *ackConn) Read(b []byte) (int, error) {
	if c.acknowledge != nil && c.unacknowledged.Load() {
		c.acknowledge()
	}
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.unacknowledged.Store(true)
	}
	return n, err
}

// requestFollows tells that a request is about to be written, which carries the acknowledgement of
// all that was read.
func (c *ackConn) requestFollows() { c.unacknowledged.Store(false) }
