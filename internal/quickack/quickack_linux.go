package quickack

import (
	"net"
	"syscall"
)

// Acknowledger returns a function that sends a delayed acknowledgement of nc at once; nil where the
// system has no such option. TCP_QUICKACK does not last, so the function is called for each read.
func Acknowledger(nc *net.TCPConn) func() {
	raw, err := nc.SyscallConn()
	if err != nil {
		return nil
	}
	set := func(fd uintptr) {
		// A failure only costs time.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	}
	return func() { _ = raw.Control(set) }
}
