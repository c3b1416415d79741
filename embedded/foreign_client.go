package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"go.uber.org/zap"
)

// Clients of Iggy 0.9 and later speak another protocol. Each of their requests begins with a header
// of 256 bytes: the size of header and body (u32 little endian) at 48, the command (u8, 5 is a
// request) at 60, and zeros before them. Measured with apache-iggy==0.9.0 for Python and recorded
// with a server 0.9.0-edge.5.
const (
	foreignHeaderSize = 256
	foreignSizeAt     = 48
	foreignCommandAt  = 60
	foreignRequest    = 5
)

// probeName is in the request by which this library's clients ask a server that does not answer
// whether it is of Iggy 0.9 or later. Such a request is no foreign client.
const probeName = "iggy-client-probe"

// foreignLogInterval is the shortest time between two log entries about foreign clients, which
// connect again and again.
const foreignLogInterval = time.Minute

var errForeignProtocol = errors.New("embedded: the client speaks the protocol of Iggy 0.9 or later")

// foreignClient reports whether the first request of the connection is one of a client of Iggy 0.9
// or later. It only looks at what has arrived: such a client writes a header at once.
func (c *conn) foreignClient() bool {
	head, err := c.reader.Peek(min(c.reader.Buffered(), foreignHeaderSize))
	return err == nil && len(head) > foreignCommandAt &&
		len(bytes.TrimLeft(head[:foreignSizeAt], "\x00")) == 0 &&
		binary.LittleEndian.Uint32(head[foreignSizeAt:]) >= foreignHeaderSize &&
		head[foreignCommandAt] == foreignRequest
}

// refuseForeignClient logs why the connection is closed, and returns the error that closes it.
func (c *conn) refuseForeignClient() error {
	request, _ := c.reader.Peek(c.reader.Buffered())
	if bytes.Contains(request, []byte(probeName)) {
		return errForeignProtocol
	}
	s := c.server
	s.mu.Lock()
	due := time.Since(s.foreignLogged) >= foreignLogInterval
	if due {
		s.foreignLogged = time.Now()
	}
	s.mu.Unlock()
	if due {
		s.log.Warn("client speaks the protocol of Iggy 0.9 or later, connection closed; use a client of Iggy 0.8",
			zap.Uint64("connection", c.id), zap.Stringer("address", c.remote))
	}
	return errForeignProtocol
}
