package native

import (
	"net"
	"syscall"
)

// acknowledger makes a function that sends a held back acknowledgement at
// once. TCP_QUICKACK is no lasting setting, so it is called again and again.
func acknowledger(nc *net.TCPConn) func() {
	raw, err := nc.SyscallConn()
	if err != nil {
		return nil
	}
	set := func(fd uintptr) {
		// A failure costs time, nothing else.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	}
	return func() { _ = raw.Control(set) }
}
