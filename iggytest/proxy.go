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
	faults  faultList
	address string

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu          sync.Mutex
	upstream    string
	listener    net.Listener
	reservation func() // of the port, while nothing listens at it
	listening   bool
	relays      map[*relay]struct{}
	accepted    uint64
	closed      bool
	changedCh   chan struct{}
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
	p := &Proxy{tb: tb, upstream: upstream, tls: config, relays: map[*relay]struct{}{}, changedCh: make(chan struct{})}
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
func (p *Proxy) Inject(f Fault) *Injection { return p.faults.inject(p.tb, f) }

// CutConnections resets all connections that are open, and returns how many.
func (p *Proxy) CutConnections() int {
	relays := p.openRelays()
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
	if !p.listening {
		return
	}
	p.listening = false
	_ = p.listener.Close()
	p.reservation = reservePort(p.address)
}

// StartListening ends StopListening, at the same address, and does nothing
// without it. It fails the test when another process has taken the address
// meanwhile.
func (p *Proxy) StartListening() {
	p.tb.Helper()
	if p.isListening() {
		return
	}
	p.releasePort()
	// An outgoing connection of anybody may hold the port for a moment, where it could not be reserved.
	deadline := time.Now().Add(waitTimeout)
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

func (p *Proxy) isListening() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listening
}

func (p *Proxy) upstreamAddress() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.upstream
}

func (p *Proxy) setUpstream(upstream string) {
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
	p.listener, p.listening = l, true
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
		p.addConn(nc.(*net.TCPConn))
	}
}

func (p *Proxy) addConn(nc *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted++
	r := newRelay(p, p.accepted, nc)
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
		p.notifyChange()
	})
}

func (p *Proxy) openRelays() []*relay {
	p.mu.Lock()
	defer p.mu.Unlock()
	relays := make([]*relay, 0, len(p.relays))
	for r := range p.relays {
		relays = append(relays, r)
	}
	return relays
}

// notify wakes those who wait for something to happen at the server.
func (p *Proxy) notifyChange() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changedCh)
	p.changedCh = make(chan struct{})
}

func (p *Proxy) changes() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changedCh
}

// free ends the reservation of the port, if there is one.
func (p *Proxy) releasePort() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reservation != nil {
		p.reservation()
		p.reservation = nil
	}
}

func (p *Proxy) stop() {
	p.mu.Lock()
	p.closed = true
	_ = p.listener.Close()
	p.mu.Unlock()
	p.releasePort()
	p.cancel()
	p.CutConnections()
	p.wg.Wait()
}
