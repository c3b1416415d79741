package native

import (
	"net"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// NewConn returns a connection over any net.Conn.
func NewConn(nc net.Conn) transport.Conn { return newConn(nc.RemoteAddr().String(), nc) }
