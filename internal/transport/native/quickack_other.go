//go:build !linux

package native

import "net"

// quickAck returns nil: quick acknowledgements need Linux.
func quickAck(*net.TCPConn) func() { return nil }
