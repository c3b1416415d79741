package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// stallingProxy is a proxy that can stop reading from its clients.
type stallingProxy struct {
	listener net.Listener
	upstream string
	stalled  atomic.Bool
	closed   context.Context // ends at close
	cancel   context.CancelFunc
	tasks    sync.WaitGroup
}

func newStallingProxy(upstream string) (*stallingProxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &stallingProxy{listener: listener, upstream: upstream}
	p.closed, p.cancel = context.WithCancel(context.Background())
	p.tasks.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.tasks.Go(func() { p.relay(client) })
		}
	})
	return p, nil
}

// relay copies the data of one connection.
func (p *stallingProxy) relay(client net.Conn) {
	server, err := net.Dial("tcp", p.upstream)
	if err != nil {
		_ = client.Close()
		return
	}
	end := sync.OnceFunc(func() {
		_ = client.Close()
		_ = server.Close()
	})
	defer context.AfterFunc(p.closed, end)()
	p.tasks.Go(func() {
		_, _ = io.Copy(client, server)
		end()
	})
	defer end()
	buffer := make([]byte, 64<<10)
	for {
		if p.stalled.Load() {
			<-p.closed.Done()
			return
		}
		n, err := client.Read(buffer)
		if n > 0 {
			if _, err := server.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil && !errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

func (p *stallingProxy) close() {
	p.cancel()
	_ = p.listener.Close()
	p.tasks.Wait()
}
