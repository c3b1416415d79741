//go:build !linux

package quickack

import "net"

// Acknowledger returns nil: the system has no such option.
func Acknowledger(*net.TCPConn) func() { return nil }
