//go:build unix

package iggytest

import (
	"net"
	"syscall"
)

// reservePort keeps a port of 127.0.0.1 from being used for outgoing connections of any process
// while nothing listens on it. Connections to it are refused. The returned function ends the
// reservation.
func reservePort(address string) (release func()) {
	none := func() {}
	addr, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return none
	}
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return none
	}
	// Connections that the proxy accepted may still be open on the port.
	err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())})
	}
	if err != nil {
		_ = syscall.Close(fd)
		return none
	}
	return func() { _ = syscall.Close(fd) }
}
