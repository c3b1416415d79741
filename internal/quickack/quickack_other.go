//go:build !linux

package quickack

import "net"

// Func returns nil: the system has no such option.
func Func(*net.TCPConn) func() { return nil }
