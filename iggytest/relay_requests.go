package iggytest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// noExchange is the channel done of the exchange before the first one.
var noExchange = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// forwardRequests forwards requests until the client or a fault ends the connection.
func (r *relay) forwardRequests(in *bufio.Reader) {
	last := noExchange
	for number := uint64(1); ; number++ {
		frame, err := readRequest(in)
		r.waitInBlackHole()
		if errors.Is(err, io.EOF) {
			// The server answers what it has received, and then ends its side.
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
			// forwardAnswers notices the end too, and ends the relay.
			_ = r.server.Close()
			return
		}
		last = x.done
		if x.plan.exclusive() && !r.waitFor(last) {
			return
		}
	}
}

// replaceRequest does what a fault wants in place of forwarding a request, and reports whether the
// connection continues.
func (r *relay) replaceRequest(f Fault, in io.Reader, frame []byte, rate int) bool {
	switch f.kind {
	case kindAnswer:
		return r.answer(answerFrame(f.status), rate)
	case kindGarbage:
		return r.answer(f.bytes, rate)
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

// answer writes what the client gets in place of an answer of the server, and reports whether the
// connection goes on. When the client has gone, the server's side ends too: an open one would keep
// the client's memberships.
func (r *relay) answer(b []byte, rate int) bool {
	if r.write(r.client, b, rate) != nil {
		_ = r.server.Close()
		return false
	}
	return true
}
