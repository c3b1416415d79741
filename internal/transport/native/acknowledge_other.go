//go:build !linux

package native

import "net"

// acknowledger knows no means on this system.
func acknowledger(*net.TCPConn) func() { return nil }
