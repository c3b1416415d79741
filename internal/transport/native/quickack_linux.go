package native

import (
	"net"
	"syscall"
)

// quickAck returns a function that sends a delayed acknowledgement at once. TCP_QUICKACK does not
// last, so the function is called for each read.
func quickAck(nc *net.TCPConn) func() {
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
