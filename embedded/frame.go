package embedded

import (
	"errors"
	"io"
	"net"
	"time"
)

const (
	frameHeaderSize = 8
	// allocationStep is the most that is allocated for a body before any byte of it has arrived, so
	// that a false length costs nothing.
	allocationStep = 1 << 20
	// readBufferSize is small since there may be thousands of idle connections. Large bodies are
	// read past the buffer.
	readBufferSize = 8 << 10
	// maxKeptBuffer is the size up to which a connection keeps its buffers between requests.
	maxKeptBuffer = 64 << 10
	// maxWriteSize is the most that is written under one deadline.
	maxWriteSize = 1 << 20
)

// maxBody bounds the body of a command other than a send.
func (c *conn) maxBody() uint32 {
	if c.user.Load() == noUser {
		return maxLoginBody
	}
	return maxControlBody
}

// readControlBody reads the body of a command other than a send. It is valid until the next
// request.
func (c *conn) readControlBody(length uint32) ([]byte, error) {
	if length > c.maxBody() {
		// The real server takes the body for requests. This one closes the connection.
		c.answer(StatusInvalidCommand)
		return nil, errors.Join(c.flush(), errCloseConn)
	}
	n := int(length)
	if cap(c.body) > maxKeptBuffer && n <= maxKeptBuffer {
		c.body = nil
	}
	b, err := readFull(c.reader, c.body[:0], n)
	if err != nil {
		return nil, err
	}
	c.body = b
	return b, nil
}

// readFull appends n bytes from r to b. It allocates at most allocationStep, or as much as has
// arrived, ahead.
func readFull(r io.Reader, b []byte, n int) ([]byte, error) {
	for n > 0 {
		step := min(n, max(allocationStep, len(b)))
		if cap(b)-len(b) < step {
			grown := make([]byte, len(b), len(b)+step)
			copy(grown, b)
			b = grown
		}
		start := len(b)
		b = b[:start+step]
		if _, err := io.ReadFull(r, b[start:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		n -= step
	}
	return b, nil
}

// flush writes the queued answers and then parts, which are not copied.
func (c *conn) flush(parts ...[]byte) error {
	if len(c.out) == 0 && len(parts) == 0 {
		return nil
	}
	bufs := make(net.Buffers, 0, 1+len(parts))
	if len(c.out) > 0 {
		bufs = append(bufs, c.out)
	}
	bufs = append(bufs, parts...)
	err := c.write(bufs)
	c.out = c.out[:0]
	if cap(c.out) > 4*maxKeptBuffer {
		c.out = nil
	}
	return err
}

// write writes in several steps, so that the write time-out applies to progress and not to a whole
// answer of any size.
func (c *conn) write(bufs net.Buffers) error {
	step := make(net.Buffers, 0, len(bufs))
	for len(bufs) > 0 {
		step = step[:0]
		size := 0
		for len(bufs) > 0 && size < maxWriteSize {
			b := bufs[0]
			if room := maxWriteSize - size; len(b) > room {
				step = append(step, b[:room])
				bufs[0] = b[room:]
				break
			}
			step = append(step, b)
			size += len(b)
			bufs = bufs[1:]
		}
		if c.server.opts.writeTimeout > 0 {
			if err := c.netConn.SetWriteDeadline(time.Now().Add(c.server.opts.writeTimeout)); err != nil {
				return err
			}
		}
		remaining := step
		if _, err := remaining.WriteTo(c.netConn); err != nil {
			return err
		}
	}
	return nil
}
