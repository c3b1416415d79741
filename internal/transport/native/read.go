package native

import (
	"bufio"
	"errors"
	"io"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// readBuffer holds many small answers; large bodies are read past it.
const readBuffer = 16 << 10

// believed is how much memory an announced length gets before its bytes have
// come, in bytes. Beyond, memory doubles with what has come.
const believed = 4 << 20

// answer is the body of an answer, or what is kept of it.
type answer struct {
	body []byte
	// dropped tells that body lacks the end.
	dropped bool
}

// read hands out answers until the connection ends. It reads all the time, so
// a connection that ends is noticed at once.
func (c *conn) read() {
	defer close(c.ended)
	r := bufio.NewReaderSize(c.nc, readBuffer)
	for first := true; ; first = false {
		if err := c.readAnswer(r, first); err != nil {
			c.fail(err)
			return
		}
	}
}

func (c *conn) readAnswer(r *bufio.Reader, first bool) error {
	var head [transport.AnswerHeadSize]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		return transport.ReadError(err, head[:n], first)
	}
	status, length, err := transport.ParseAnswerHead(head)
	if err != nil {
		return err
	}
	k := c.pop()
	if k == nil {
		return transport.Malformed("it answered unasked: %s", transport.Foreign(head[:]))
	}
	var a answer
	if status == 0 {
		a, err = readBody(r, k, length)
	}
	switch {
	case errors.Is(err, iggyerr.ErrProtocol):
		k.settle(0, a, err)
		return err
	case err != nil:
		err = transport.ReadError(err, nil, first)
		k.settle(0, a, err)
		return err
	}
	op := k.op
	k.settle(status, a, nil)
	if status == 0 {
		return nil
	}
	if refused := (&iggyerr.StatusError{Op: op, Status: status}); iggyerr.BreaksConnection(refused) {
		return refused
	}
	return nil
}

// pop takes the call that the next answer is for, and frees its slot.
func (c *conn) pop() *call {
	c.mu.Lock()
	k := c.queue.pop()
	c.mu.Unlock()
	if k != nil {
		<-c.slots
	}
	return k
}

// readBody reads the body of k's answer, or drops it when nobody waits for it.
func readBody(r *bufio.Reader, k *call, length uint32) (answer, error) {
	if err := k.shape.check(k.op, length); err != nil {
		return answer{}, err
	}
	switch {
	case length == 0:
		return answer{}, nil
	case k.state.Load() == abandoned:
		return answer{}, discard(r, uint64(length))
	case k.shape.polled:
		return readPolled(r, uint64(length), k.shape.maxBytes)
	}
	body, err := grow(r, nil, uint64(length))
	return answer{body: body}, err
}

// readPolled keeps whole messages up to about maxBytes, at least one, and
// drops the rest as it comes.
func readPolled(r *bufio.Reader, length uint64, maxBytes int) (answer, error) {
	if length < polledHeadSize {
		return answer{}, transport.Malformed("poll: a body of %d bytes", length)
	}
	want := length
	if maxBytes > 0 {
		want = min(length, polledHeadSize+max(uint64(maxBytes), wire.MessageHeaderSize))
	}
	body, err := grow(r, nil, want)
	if err != nil {
		return answer{}, err
	}
	if want < length {
		// The first message is kept even if it is larger than the bound.
		size, err := wire.MessageSize(body[polledHeadSize:])
		if err != nil || polledHeadSize+size > length {
			return answer{}, transport.Malformed("poll: a message of %d bytes in a body of %d", size, length)
		}
		if want < polledHeadSize+size {
			want = polledHeadSize + size
			if body, err = grow(r, body, want); err != nil {
				return answer{}, err
			}
		}
	}
	return answer{body: body, dropped: want < length}, discard(r, length-want)
}

// grow reads until b has size bytes, and takes memory as they come.
func grow(r io.Reader, b []byte, size uint64) ([]byte, error) {
	for uint64(len(b)) < size {
		next := min(size, max(believed, 2*uint64(len(b))))
		larger := make([]byte, next)
		n := copy(larger, b)
		if _, err := io.ReadFull(r, larger[n:]); err != nil {
			return nil, err
		}
		b = larger
	}
	return b, nil
}

func discard(r *bufio.Reader, n uint64) error {
	for n > 0 {
		part := int(min(n, 1<<20))
		if _, err := r.Discard(part); err != nil {
			return err
		}
		n -= uint64(part)
	}
	return nil
}
