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

// Proxy forwards connections to a server and injects faults. It knows the protocol's frames, so
// faults can apply to single commands. A connection that speaks TLS passes unchanged, and only
// [Refuse], [Latency], CutConnections and StopListening apply to it.
type Proxy struct {
	tb      testing.TB
	tls     *tls.Config
	faults  faultList
	address string

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	upstream string
	listener net.Listener
	// releaseReserved ends the reservation of the port while nothing listens on it.
	releaseReserved func()
	listening       bool
	relays          map[*relay]struct{}
	accepted        uint64
	closed          bool
	changed         chan struct{}
}

// NewProxy starts a proxy in front of the server at upstream ("host:port"). Connections are reset
// while nothing listens there. The proxy ends with the test, and with it all connections through
// it. It fails the test when it cannot listen.
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
	p.listen(l)
	return p
}

// Endpoint returns the proxy's address as "iggy://host:port", which is what iggy.endpoint of a
// configuration takes. It never changes.
func (p *Proxy) Endpoint() string { return "iggy://" + p.address }

// Address returns the proxy's address as "host:port". It never changes.
func (p *Proxy) Address() string { return p.address }

// Inject adds a fault after those that are there already. To each request apply all faults that
// let it pass (Observe, Do, Delay, Slow) and the first one of the others.
func (p *Proxy) Inject(f Fault) *Injection { return p.faults.inject(p.tb, f) }

// CutConnections resets all open connections and returns their number.
func (p *Proxy) CutConnections() int {
	relays := p.openRelays()
	for _, r := range relays {
		r.reset()
	}
	return len(relays)
}

// Connections returns the number of open connections.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.relays)
}

// StopListening makes the operating system refuse new connections until StartListening. Open
// connections stay.
func (p *Proxy) StopListening() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.listening {
		return
	}
	p.listening = false
	_ = p.listener.Close()
	p.releaseReserved = reservePort(p.address)
}

// StartListening ends StopListening, at the same address, and does nothing without it. It fails the
// test when another process uses the address meanwhile.
func (p *Proxy) StartListening() {
	p.tb.Helper()
	if p.isListening() {
		return
	}
	p.releasePort()
	// Where the port could not be reserved, an outgoing connection of another process may use it
	// for a moment.
	deadline := time.Now().Add(waitTimeout)
	for {
		l, err := net.Listen("tcp", p.address)
		if err == nil {
			p.listen(l)
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

func (p *Proxy) listen(l net.Listener) {
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

// notifyChange wakes those who wait for a change on the server.
func (p *Proxy) notifyChange() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) nextChange() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// releasePort ends the reservation of the port, if there is one.
func (p *Proxy) releasePort() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.releaseReserved != nil {
		p.releaseReserved()
		p.releaseReserved = nil
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
