package iggytest

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy passes connections on to a server and makes faults on the way. It knows
// the protocol's frames, so faults can be addressed to commands. A connection
// that speaks TLS passes as it is, and only [Refuse], CutConnections and
// StopListening work on it.
type Proxy struct {
	tb      testing.TB
	tls     *tls.Config
	script  script
	address string

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	upstream string
	listener net.Listener
	release  func() // of the port, while nothing listens at it
	listens  bool
	relays   map[*relay]struct{}
	arrivals uint64
	closed   bool
	changed  chan struct{}
}

// NewProxy starts a proxy before the server at upstream ("host:port"), which
// need not be there yet: connections are then reset. The proxy ends with the
// test, and with it all connections through it. It fails the test when it
// cannot listen.
func NewProxy(tb testing.TB, upstream string) *Proxy {
	tb.Helper()
	p := newProxy(tb, upstream, nil)
	tb.Cleanup(p.stop)
	return p
}

func newProxy(tb testing.TB, upstream string, config *tls.Config) *Proxy {
	tb.Helper()
	p := &Proxy{tb: tb, upstream: upstream, tls: config, relays: map[*relay]struct{}{}, changed: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.cancel()
		tb.Fatalf("iggytest: proxy: %v", err)
	}
	p.address = l.Addr().String()
	p.serve(l)
	return p
}

// Endpoint is the proxy's address as "host:port". It stays the same.
func (p *Proxy) Endpoint() string { return p.address }

// Inject sets a fault to work, behind those that are there already: each
// request meets all faults that let it pass (Observe, Do, Delay, Slow) and the
// first of the others.
func (p *Proxy) Inject(f Fault) *Injection { return p.script.inject(p.tb, f) }

// CutConnections resets all connections that are open, and returns how many.
func (p *Proxy) CutConnections() int {
	relays := p.open()
	for _, r := range relays {
		r.reset()
	}
	return len(relays)
}

// Connections is how many connections are open.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.relays)
}

// StopListening has the operating system refuse new connections until
// StartListening. Those that are open go on.
func (p *Proxy) StopListening() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.listens {
		return
	}
	p.listens = false
	_ = p.listener.Close()
	p.release = reserve(p.address)
}

// StartListening ends StopListening, at the same address, and does nothing
// without it. It fails the test when another process has taken the address
// meanwhile.
func (p *Proxy) StartListening() {
	p.tb.Helper()
	if p.listening() {
		return
	}
	p.free()
	// An outgoing connection of anybody may hold the port for a moment, where it could not be reserved.
	deadline := time.Now().Add(patience)
	for {
		l, err := net.Listen("tcp", p.address)
		if err == nil {
			p.serve(l)
			return
		}
		if time.Now().After(deadline) {
			p.tb.Fatalf("iggytest: proxy: %v", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (p *Proxy) listening() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listens
}

func (p *Proxy) server() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.upstream
}

func (p *Proxy) moveTo(upstream string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.upstream = upstream
}

func (p *Proxy) serve(l net.Listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = l.Close()
		return
	}
	p.listener, p.listens = l, true
	p.wg.Go(func() { p.accept(l) })
}

func (p *Proxy) accept(l net.Listener) {
	for {
		nc, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select {
			case <-time.After(10 * time.Millisecond): // out of descriptors, most likely
				continue
			case <-p.ctx.Done():
				return
			}
		}
		p.add(nc.(*net.TCPConn))
	}
}

func (p *Proxy) add(nc *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.arrivals++
	r := newRelay(p, p.arrivals, nc)
	if p.closed {
		r.reset()
		return
	}
	p.relays[r] = struct{}{}
	p.wg.Go(func() {
		r.run()
		p.mu.Lock()
		delete(p.relays, r)
		p.mu.Unlock()
		p.notify()
	})
}

func (p *Proxy) open() []*relay {
	p.mu.Lock()
	defer p.mu.Unlock()
	relays := make([]*relay, 0, len(p.relays))
	for r := range p.relays {
		relays = append(relays, r)
	}
	return relays
}

// notify wakes those who wait for something to happen at the server.
func (p *Proxy) notify() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) changes() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// free ends the reservation of the port, if there is one.
func (p *Proxy) free() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.release != nil {
		p.release()
		p.release = nil
	}
}

func (p *Proxy) stop() {
	p.mu.Lock()
	p.closed = true
	_ = p.listener.Close()
	p.mu.Unlock()
	p.free()
	p.cancel()
	p.CutConnections()
	p.wg.Wait()
}
