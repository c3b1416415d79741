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

// relayChunk is how much the relay passes on at once, in bytes.
const relayChunk = 64 << 10

// exchange is one request and its answer in the relay.
type exchange struct {
	op string

	mu       sync.Mutex
	sent     bool // the request may have been sent completely
	answered bool
	status   iggyerr.Status
	// body receives the answer's body when the relay made the request.
	body chan []byte
}

func (x *exchange) setSent(sent bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sent = sent
}

// setAnswered notes the answer's status. It returns false for a second answer: what follows a
// refused send may be the server's interpretation of the body that it left unread.
func (x *exchange) setAnswered(status iggyerr.Status) bool {
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

// relayRequests passes the SDK's requests on to the server.
func (c *conn) relayRequests() {
	defer c.relays.Done()
	r := bufio.NewReaderSize(c.sdkSide, relayChunk)
	buf := make([]byte, relayChunk)
	for {
		head, err := r.Peek(wire.FrameHeaderSize)
		if err != nil {
			c.fail(fmt.Errorf("relay: %w", err))
			return
		}
		x := c.current()
		if x == nil {
			c.fail(errors.New("relay: unexpected request of the SDK"))
			return
		}
		if err := c.relayRequest(x, buf, r, 4+int64(binary.LittleEndian.Uint32(head))); err != nil {
			c.fail(err)
			return
		}
	}
}

// relayRequest copies size bytes to the server. The exchange counts as sent from before the last
// write, unless that write fails: then bytes are surely missing.
func (c *conn) relayRequest(x *exchange, buf []byte, r io.Reader, size int64) error {
	for size > 0 {
		n := min(size, int64(len(buf)))
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			return fmt.Errorf("relay: %w", err)
		}
		size -= n
		x.setSent(size == 0)
		if _, err := c.serverSide.Write(buf[:n]); err != nil {
			x.setSent(false)
			return err
		}
	}
	return nil
}

// relayAnswers passes the server's answers on to the SDK. It always reads the server's socket, so
// the end of the connection is noticed at once.
func (c *conn) relayAnswers() {
	defer c.relays.Done()
	r := bufio.NewReaderSize(c.serverSide, relayChunk)
	buf := make([]byte, relayChunk)
	for first := true; ; first = false {
		if err := c.relayAnswer(r, buf, first); err != nil {
			c.fail(err)
			return
		}
	}
}

func (c *conn) relayAnswer(r *bufio.Reader, buf []byte, first bool) error {
	var head [transport.AnswerHeaderSize]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		return transport.ReadError(err, head[:n], first)
	}
	status, length, err := transport.ParseAnswerHeader(head)
	if err != nil {
		return err
	}
	x := c.current()
	if x == nil || !x.setAnswered(status) {
		return transport.UnexpectedAnswer(status, head[:])
	}
	// After some statuses the server is out of step: nothing more is passed on.
	if refused := (&iggyerr.StatusError{Op: x.op, Status: status}); iggyerr.BreaksConnection(refused) {
		return refused
	}
	if x.body != nil {
		if length > relayChunk {
			return transport.Malformed("%d bytes", length)
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(r, body); err != nil {
			return transport.ReadError(err, nil, first)
		}
		x.body <- body
		return nil
	}
	if length == 1 {
		// The SDK treats the length as 0 and leaves the byte in its socket.
		return transport.Malformed("one byte")
	}
	copy(buf, head[:])
	filled := len(head)
	for remaining := int64(length); ; {
		n := min(remaining, int64(len(buf)-filled))
		if _, err := io.ReadFull(r, buf[filled:int64(filled)+n]); err != nil {
			return transport.ReadError(err, nil, first)
		}
		if _, err := c.sdkSide.Write(buf[:int64(filled)+n]); err != nil {
			return fmt.Errorf("relay: %w", err)
		}
		if remaining -= n; remaining == 0 {
			return nil
		}
		filled = 0
	}
}
