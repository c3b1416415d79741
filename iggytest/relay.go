package iggytest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// relay is one connection through the proxy. One goroutine forwards requests, another one the
// answers. The requests whose answers are missing are in pending.
type relay struct {
	proxy *Proxy
	id    uint64
	tcp   *net.TCPConn // the client's socket

	ctx    context.Context
	cancel context.CancelFunc

	// client is the client's connection above TLS and latency.
	client  net.Conn
	pending chan *exchange

	// cutByFault is set before the server's connection is closed for a fault, so that a reset by
	// the server is not taken for one of its own.
	cutByFault atomic.Bool
	// blackHole is closed when nothing may pass any more.
	blackHole      chan struct{}
	startBlackHole sync.Once

	mu     sync.Mutex // guards latency and server until they are set, for reset
	server *net.TCPConn
	// latency wraps tcp when all bytes are delayed, otherwise it is nil.
	latency *delayedConn
}

// exchange is a request that was forwarded and its answer.
type exchange struct {
	request Request
	plan    plan
	done    chan struct{} // closed when the answer was forwarded
}

// maxInFlight bounds the requests of a connection that are not answered. More of them wait in the
// client's socket.
const maxInFlight = 4096

func newRelay(p *Proxy, id uint64, tcp *net.TCPConn) *relay {
	r := &relay{
		proxy: p, id: id, tcp: tcp, client: tcp, pending: make(chan *exchange, maxInFlight), blackHole: make(chan struct{}),
	}
	r.ctx, r.cancel = context.WithCancel(p.ctx)
	return r
}

// reset ends the connection at once on both sides. run then returns.
func (r *relay) reset() {
	r.cancel()
	_ = r.tcp.SetLinger(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeClient()
	if r.server != nil {
		_ = r.server.SetLinger(0)
		_ = r.server.Close()
	}
}

// closeClient closes the client's connection. Bytes that are delayed are lost.
func (r *relay) closeClient() {
	if r.latency != nil {
		_ = r.latency.Close()
		return
	}
	_ = r.tcp.Close()
}

// closeWrite ends the client's side after what was written has arrived.
func (r *relay) closeWrite() {
	if r.latency != nil {
		r.latency.closeWrite()
		return
	}
	_ = r.tcp.CloseWrite()
}

// run forwards requests and answers until the connection ends.
func (r *relay) run() {
	defer r.cancel()
	defer r.closeClient()
	if d := r.proxy.faults.latency(Request{Conn: r.id}); d > 0 {
		r.addLatency(d)
		defer r.latency.wait()
		defer r.closeClient()
	}
	if r.proxy.faults.refusesConn(Request{Conn: r.id}) {
		r.reset()
		return
	}
	if !r.dial() {
		r.reset()
		return
	}
	defer func() { _ = r.server.Close() }()
	transport := r.client
	if r.proxy.tls != nil {
		t := tls.Server(transport, r.proxy.tls)
		if t.HandshakeContext(r.ctx) != nil {
			return
		}
		r.client = t
	}
	in := bufio.NewReaderSize(r.client, 64<<10)
	var answers sync.WaitGroup
	answers.Go(r.forwardAnswers)
	if foreign(in) {
		_, _ = io.Copy(r.server, in)
		_ = r.server.CloseWrite()
	} else {
		r.forwardRequests(in)
	}
	answers.Wait()
	// A socket that is closed before everything is read from it resets the connection, and the
	// client could lose what is on its way to it.
	_, _ = io.Copy(io.Discard, transport)
	if r.latency != nil {
		r.latency.waitSent()
	}
}

// addLatency delays all bytes of the client's connection from now on.
func (r *relay) addLatency(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latency = newDelayedConn(r.tcp, d)
	r.client = r.latency
	if r.ctx.Err() != nil {
		_ = r.latency.Close()
	}
}

// foreign reports whether a connection begins with something else than a frame of Iggy 0.8, which
// passes unchanged: TLS that ends at the server, or the zeros with which a client of Iggy 0.9 or
// later begins.
func foreign(in *bufio.Reader) bool {
	if first, err := in.Peek(2); err != nil || first[0] == 0x16 && first[1] == 0x03 {
		return err == nil
	}
	first, err := in.Peek(4)
	return err == nil && [4]byte(first) == [4]byte{}
}

// dial connects to the server and reports whether the relay continues.
func (r *relay) dial() bool {
	nc, err := (&net.Dialer{}).DialContext(r.ctx, "tcp", r.proxy.upstreamAddress())
	if err != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server = nc.(*net.TCPConn)
	return r.ctx.Err() == nil
}

// applyPassing applies the faults that let the request pass, at the stage before or after the
// effect.
func (r *relay) applyPassing(x *exchange, after bool) error {
	for _, i := range x.plan.passing {
		f := i.fault
		if f.after != after {
			continue
		}
		i.applied(x.request)
		switch f.kind {
		case kindDelay:
			if err := r.sleep(f.delay); err != nil {
				return err
			}
		case kindDo:
			f.do(x.request)
		}
	}
	return nil
}

// waitInBlackHole blocks when nothing may pass any more, until the relay ends.
func (r *relay) waitInBlackHole() {
	select {
	case <-r.blackHole:
		<-r.ctx.Done()
	default:
	}
}

func (r *relay) sleep(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// waitFor waits until an exchange is done, and reports whether the relay continues.
func (r *relay) waitFor(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// slowInterval is the time between two pieces on a slow connection.
const slowInterval = 10 * time.Millisecond

// write writes all of b, at this rate in bytes a second unless it is 0.
func (r *relay) write(w io.Writer, b []byte, rate int) error {
	if rate == 0 {
		_, err := w.Write(b)
		return err
	}
	piece := max(1, int(int64(rate)*int64(slowInterval)/int64(time.Second)))
	for len(b) > 0 {
		n := min(piece, len(b))
		if err := r.sleep(time.Duration(n) * time.Second / time.Duration(rate)); err != nil {
			return err
		}
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// copy writes the header and then the body while it arrives.
func (r *relay) copy(w io.Writer, header []byte, body io.Reader, rate int) error {
	if err := r.write(w, header, rate); err != nil || body == nil {
		return err
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if err := r.write(w, buf[:n], rate); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
