package iggytest

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

var (
	errCut       = errors.New("cut by a fault")
	errConnReset = errors.New("reset by a fault")
)

// relay is one connection through the proxy. One goroutine passes requests on,
// another one the answers; what is in flight between the two is in pending.
type relay struct {
	proxy *Proxy
	id    uint64
	tcp   *net.TCPConn // the client's socket, below TLS

	ctx    context.Context
	cancel context.CancelFunc

	client  net.Conn
	pending chan *exchange

	// cutting tells that a reset by the server is the work of a cut here.
	cutByFault atomic.Bool
	// hole is closed when nothing may pass any more.
	blackHole      chan struct{}
	startBlackHole sync.Once

	mu     sync.Mutex // guards server until it is dialed, for reset
	server *net.TCPConn
}

// exchange is a request that was passed on and its answer.
type exchange struct {
	request Request
	plan    plan
	done    chan struct{} // closed when the answer was passed on
}

// inFlight is how many requests of a connection may be unanswered. More wait in
// the client's socket.
const maxInFlight = 4096

func newRelay(p *Proxy, id uint64, tcp *net.TCPConn) *relay {
	r := &relay{
		proxy: p, id: id, tcp: tcp, client: tcp, pending: make(chan *exchange, maxInFlight), blackHole: make(chan struct{}),
	}
	r.ctx, r.cancel = context.WithCancel(p.ctx)
	return r
}

// reset ends the connection at once on both sides; run then ends by itself.
func (r *relay) reset() {
	r.cancel()
	_ = r.tcp.SetLinger(0)
	_ = r.tcp.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server != nil {
		_ = r.server.SetLinger(0)
		_ = r.server.Close()
	}
}

func (r *relay) run() {
	defer r.cancel()
	defer func() { _ = r.tcp.Close() }()
	if r.proxy.faults.refusesConn(Request{Conn: r.id}) {
		r.reset()
		return
	}
	if !r.dial() {
		r.reset()
		return
	}
	defer func() { _ = r.server.Close() }()
	in := bufio.NewReaderSize(r.tcp, 64<<10)
	if r.proxy.tls != nil {
		t := tls.Server(r.tcp, r.proxy.tls)
		if t.HandshakeContext(r.ctx) != nil {
			return
		}
		r.client = t
		in.Reset(t)
	}
	var answers sync.WaitGroup
	answers.Go(r.forwardAnswers)
	if first, err := in.Peek(2); err == nil && first[0] == 0x16 && first[1] == 0x03 {
		_, _ = io.Copy(r.server, in) // TLS that ends at the server
		_ = r.server.CloseWrite()
	} else {
		r.forwardRequests(in)
	}
	answers.Wait()
	// Closing a socket before all was read from it would reset the connection,
	// and the client could lose what is on its way to it.
	_, _ = io.Copy(io.Discard, r.tcp)
}

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

// finish ends the client's side in order: what was written arrives first.
func (r *relay) closeWrite() { _ = r.tcp.CloseWrite() }

// requests passes requests on until the client ends, or a fault ends it.
func (r *relay) forwardRequests(in *bufio.Reader) {
	last := closed
	for number := uint64(1); ; number++ {
		frame, err := readRequest(in)
		r.waitInBlackHole()
		if errors.Is(err, io.EOF) {
			// The server answers what it has got, and then ends its side.
			_ = r.server.CloseWrite()
			return
		}
		if err != nil {
			_, _ = r.server.Write(frame)
			_ = r.server.Close()
			return
		}
		x := &exchange{
			request: Request{
				Conn: r.id, Number: number,
				Command: embedded.Command(binary.LittleEndian.Uint32(frame[4:])), Body: frame[headerSize:],
			},
			done: make(chan struct{}),
		}
		x.plan = r.proxy.faults.plan(x.request)
		if x.plan.exclusive() && !r.waitFor(last) {
			return
		}
		if r.applyPassing(x, false) != nil {
			return
		}
		if i := x.plan.replacementAt(false); i != nil {
			i.applied(x.request)
			if !r.replaceRequest(i.fault, in, frame, x.plan.rate()) {
				return
			}
			continue
		}
		select {
		case r.pending <- x:
		case <-r.ctx.Done():
			return
		}
		if r.write(r.server, frame, x.plan.rate()) != nil {
			// The answers' side sees the end, too, and ends the rest.
			_ = r.server.Close()
			return
		}
		last = x.done
		if x.plan.exclusive() && !r.waitFor(last) {
			return
		}
	}
}

// instead does what a fault wants in place of passing a request on, and tells
// whether the connection goes on.
func (r *relay) replaceRequest(f Fault, in io.Reader, frame []byte, rate int) bool {
	switch f.kind {
	case kindAnswer:
		return r.write(r.client, answerFrame(f.status), rate) == nil
	case kindGarbage:
		return r.write(r.client, f.bytes, rate) == nil
	case kindSilence:
		_, _ = io.Copy(io.Discard, in)
		_ = r.server.CloseWrite()
	case kindBlackHole:
		r.startBlackHole.Do(func() { close(r.blackHole) })
		r.waitInBlackHole()
	case kindReset:
		r.reset()
	case kindCut:
		r.cutByFault.Store(true)
		_ = r.write(r.server, frame[:f.bytesBeforeCut(len(frame))], rate)
		_ = r.server.CloseWrite()
		r.closeWrite()
	}
	return false
}

// passes is how many bytes of a frame of this size pass before a cut.
func (f Fault) bytesBeforeCut(size int) int {
	if f.cutAt < 0 {
		return size / 2
	}
	return min(f.cutAt, size)
}

// answers passes answers on until the server ends, or a fault ends it.
func (r *relay) forwardAnswers() {
	defer r.cancel()
	err := r.copyAnswers(bufio.NewReaderSize(r.server, 64<<10))
	if errors.Is(err, errConnReset) || errors.Is(err, syscall.ECONNRESET) && !r.cutByFault.Load() {
		r.reset()
		return
	}
	_ = r.server.Close()
	r.closeWrite()
}

func (r *relay) copyAnswers(in *bufio.Reader) error {
	var client io.Writer = r.client
	for {
		head := make([]byte, headerSize)
		n, err := io.ReadFull(in, head)
		r.waitInBlackHole()
		var x *exchange
		select {
		case x = <-r.pending:
		default:
			err = io.EOF
		}
		if err != nil {
			// No answer to a request, but not ours to keep.
			_, _ = client.Write(head[:n])
			_, _ = io.Copy(client, in)
			return err
		}
		body := io.LimitReader(in, int64(binary.LittleEndian.Uint32(head[4:])))
		if err := r.applyPassing(x, true); err != nil {
			return err
		}
		if i := x.plan.replacementAt(true); i != nil {
			i.applied(x.request)
			if i.fault.kind == kindSilence {
				client = io.Discard
			}
			err = r.replaceAnswer(client, i.fault, head, body, x.plan.rate())
		} else {
			err = r.copy(client, head, body, x.plan.rate())
		}
		if err != nil {
			return err
		}
		close(x.done)
		r.proxy.notifyChange()
	}
}

// insteadOfAnswer does what a fault wants in place of passing an answer on.
func (r *relay) replaceAnswer(client io.Writer, f Fault, head []byte, body io.Reader, rate int) error {
	switch f.kind {
	case kindAnswer, kindGarbage:
		if _, err := io.Copy(io.Discard, body); err != nil {
			return err
		}
		b := f.bytes
		if f.kind == kindAnswer {
			b = answerFrame(f.status)
		}
		return r.write(client, b, rate)
	case kindSilence:
		return r.copy(client, head, body, 0)
	case kindBlackHole:
		r.startBlackHole.Do(func() { close(r.blackHole) })
		r.waitInBlackHole()
		return r.ctx.Err()
	case kindReset:
		return errConnReset
	default:
		size := headerSize + int(binary.LittleEndian.Uint32(head[4:]))
		n := f.bytesBeforeCut(size)
		if n < headerSize {
			head, body = head[:n], nil
		} else {
			body = io.LimitReader(body, int64(n-headerSize))
		}
		return errors.Join(r.copy(client, head, body, rate), errCut)
	}
}

// pass does what lets the request pass at this stage.
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

// park blocks when nothing may pass any more, until the relay is ended from
// outside.
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

// wait waits until an exchange is over, and tells whether the connection is not.
func (r *relay) waitFor(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// closed stands for the exchange before the first one.
var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// tick is the pause between two pieces on a slow connection.
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

// copy writes the head and then the body as it comes.
func (r *relay) copy(w io.Writer, head []byte, body io.Reader, rate int) error {
	if err := r.write(w, head, rate); err != nil || body == nil {
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
