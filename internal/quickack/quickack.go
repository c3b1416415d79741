// Package quickack sends the delayed acknowledgements of TCP at once.
//
// The server does not set TCP_NODELAY by default, so it holds back an answer while an earlier one is
// unacknowledged. The client's TCP delays an acknowledgement by up to 40 ms, to send it together with
// data. So two requests that are in flight together take 44 ms, and one alone 0.1 ms (measured on Iggy
// 0.8.0). Only Linux can send acknowledgements at once. For clients on other systems, the server needs
// tcp.socket.override_defaults = true and tcp.socket.nodelay = true: see docs/operations.md.
package quickack

import (
	"io"
	"net"
)

// Reader returns a reader of nc that acknowledges what was read before it reads on.
func Reader(nc *net.TCPConn) io.Reader {
	if acknowledge := Acknowledger(nc); acknowledge != nil {
		return &reader{nc, acknowledge}
	}
	return nc
}

type reader struct {
	nc          *net.TCPConn
	acknowledge func()
}

func (r *reader) Read(b []byte) (int, error) {
	r.acknowledge()
	return r.nc.Read(b)
}
