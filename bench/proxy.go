package main

import (
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/internal/quickack"
)

// proxy passes connections on to a server.
type proxy struct {
	listener net.Listener
	upstream string // the address of the server
	// relay copies the data of a connection until one of its ends, or the proxy, is closed.
	relay  func(client, server net.Conn, closed <-chan struct{})
	closed chan struct{}
	tasks  sync.WaitGroup
}

func newProxy(upstream string, relay func(client, server net.Conn, closed <-chan struct{})) (*proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: listener, upstream: upstream, relay: relay, closed: make(chan struct{})}
	p.tasks.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.tasks.Go(func() { p.pass(client) })
		}
	})
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// pass passes one connection on until it or the proxy ends.
func (p *proxy) pass(client net.Conn) {
	server, err := dialUpstream(p.upstream)
	if err != nil {
		_ = client.Close()
		return
	}
	closeBoth := func() {
		_ = client.Close()
		_ = server.Close()
	}
	ended := make(chan struct{})
	p.tasks.Go(func() {
		select {
		case <-p.closed:
		case <-ended:
		}
		closeBoth()
	})
	p.relay(client, server, p.closed)
	close(ended)
}

// upstreamConn is a connection to the server that acknowledges at once what it reads. So does the
// library, which through the proxy does not read from the server itself. The SDK's loop and the
// prepared frames, which do not, may wait less through the proxy than over a network.
type upstreamConn struct {
	net.Conn
	reader io.Reader
}

func (u upstreamConn) Read(b []byte) (int, error) { return u.reader.Read(b) }

func dialUpstream(address string) (net.Conn, error) {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return upstreamConn{nc, quickack.Reader(nc.(*net.TCPConn))}, nil
}

// close closes all connections and waits until they have ended.
func (p *proxy) close() {
	close(p.closed)
	_ = p.listener.Close()
	p.tasks.Wait()
}

// relayUnlessStalled returns a relay that does not read from the client while stalled is true.
func relayUnlessStalled(stalled *atomic.Bool) func(client, server net.Conn, closed <-chan struct{}) {
	return func(client, server net.Conn, closed <-chan struct{}) {
		var answers sync.WaitGroup
		answers.Go(func() {
			_, _ = io.Copy(client, server)
			_ = client.Close()
		})
		defer answers.Wait()
		defer func() { _ = server.Close() }()
		buffer := make([]byte, 64<<10)
		for {
			if stalled.Load() {
				<-closed
				return
			}
			n, err := client.Read(buffer)
			if n > 0 {
				if _, err := server.Write(buffer[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
}
