package sdk

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// chunk is how much the relay passes on at once, in bytes.
const chunk = 64 << 10

// exchange is one request and its answer on their way through the relay.
type exchange struct {
	op string

	mu       sync.Mutex
	sent     bool // the request may have gone out whole
	answered bool
	status   iggyerr.Status
	// direct gets the answer's body when the SDK did not make the request.
	direct chan []byte
}

func (x *exchange) setSent(sent bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sent = sent
}

// begin notes the answer. It refuses a second one: what follows a refused
// send may be the server's reading of the body that it left unread.
func (x *exchange) begin(status iggyerr.Status) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.answered {
		return false
	}
	x.answered, x.status = true, status
	return true
}

func (x *exchange) outcome() (sent, answered bool, status iggyerr.Status) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.sent, x.answered, x.status
}

// forward passes the SDK's requests on to the server.
func (c *conn) forward() {
	defer c.pumps.Done()
	r := bufio.NewReaderSize(c.inner, chunk)
	buf := make([]byte, chunk)
	for {
		head, err := r.Peek(wire.FrameHeadSize)
		if err != nil {
			c.fail(fmt.Errorf("relay: %w", err))
			return
		}
		x := c.current()
		if x == nil {
			c.fail(errors.New("relay: the SDK sent a request unasked"))
			return
		}
		if err := c.write(x, buf, r, 4+int64(binary.LittleEndian.Uint32(head))); err != nil {
			c.fail(err)
			return
		}
	}
}

// write copies size bytes to the server. The exchange counts as sent from
// before the last write until that one fails: then bytes are missing for sure.
func (c *conn) write(x *exchange, buf []byte, r io.Reader, size int64) error {
	for size > 0 {
		n := min(size, int64(len(buf)))
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			return fmt.Errorf("relay: %w", err)
		}
		size -= n
		x.setSent(size == 0)
		if _, err := c.outer.Write(buf[:n]); err != nil {
			x.setSent(false)
			return err
		}
	}
	return nil
}

// backward passes the server's answers on to the SDK. It reads the server's
// socket all the time, so a connection that ends is noticed at once.
func (c *conn) backward() {
	defer c.pumps.Done()
	r := bufio.NewReaderSize(c.outer, chunk)
	buf := make([]byte, chunk)
	for first := true; ; first = false {
		if err := c.answer(r, buf, first); err != nil {
			c.fail(err)
			return
		}
	}
}

func (c *conn) answer(r *bufio.Reader, buf []byte, first bool) error {
	var head [transport.AnswerHeadSize]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		return transport.ReadError(err, head[:n], first)
	}
	status, length, err := transport.ParseAnswerHead(head)
	if err != nil {
		return err
	}
	x := c.current()
	if x == nil || !x.begin(status) {
		return transport.Unasked(status, head[:])
	}
	// After some statuses the server is out of step: nothing of it is passed on.
	if refused := (&iggyerr.StatusError{Op: x.op, Status: status}); iggyerr.BreaksConnection(refused) {
		return refused
	}
	if x.direct != nil {
		if length > chunk {
			return transport.Malformed("%d bytes", length)
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(r, body); err != nil {
			return transport.ReadError(err, nil, first)
		}
		x.direct <- body
		return nil
	}
	if length == 1 {
		// The SDK takes it for 0 and would leave the byte in its socket.
		return transport.Malformed("one byte")
	}
	copy(buf, head[:])
	filled := len(head)
	for remaining := int64(length); ; {
		n := min(remaining, int64(len(buf)-filled))
		if _, err := io.ReadFull(r, buf[filled:int64(filled)+n]); err != nil {
			return transport.ReadError(err, nil, first)
		}
		if _, err := c.inner.Write(buf[:int64(filled)+n]); err != nil {
			return fmt.Errorf("relay: %w", err)
		}
		if remaining -= n; remaining == 0 {
			return nil
		}
		filled = 0
	}
}
