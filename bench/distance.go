package main

import (
	"context"
	"net"
	"sync"
	"time"
)

// distanceProxy is a proxy that delivers every byte later, in each direction, and keeps what is in
// flight in flight: a server that is some way off.
type distanceProxy struct {
	listener net.Listener
	upstream string
	oneWay   time.Duration
	closed   context.Context // ends at close
	cancel   context.CancelFunc
	tasks    sync.WaitGroup
}

func newDistanceProxy(upstream string, oneWay time.Duration) (*distanceProxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &distanceProxy{listener: listener, upstream: upstream, oneWay: oneWay}
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

func (p *distanceProxy) address() string { return p.listener.Addr().String() }

// relay copies the data of one connection in both directions.
func (p *distanceProxy) relay(client net.Conn) {
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
	var directions sync.WaitGroup
	directions.Go(func() { p.delay(server, client); end() })
	directions.Go(func() { p.delay(client, server); end() })
	directions.Wait()
}

// chunk is some bytes and when they are due.
type chunk struct {
	bytes []byte
	due   time.Time
}

// delay copies from one connection to the other. At most 1,024 chunks are on their way.
func (p *distanceProxy) delay(to, from net.Conn) {
	chunks := make(chan chunk, 1024)
	var writer sync.WaitGroup
	writer.Go(func() {
		failed := false
		for c := range chunks {
			if failed {
				continue
			}
			time.Sleep(time.Until(c.due))
			_, err := to.Write(c.bytes)
			failed = err != nil
		}
	})
	for {
		buffer := make([]byte, 64<<10)
		n, err := from.Read(buffer)
		if n > 0 {
			chunks <- chunk{buffer[:n], time.Now().Add(p.oneWay)}
		}
		if err != nil {
			break
		}
	}
	close(chunks)
	writer.Wait()
}

func (p *distanceProxy) close() {
	p.cancel()
	_ = p.listener.Close()
	p.tasks.Wait()
}
