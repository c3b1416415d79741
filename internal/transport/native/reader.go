package native

import (
	"bufio"
	"encoding/binary"
	"io"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// readBufferSize is the size of the read buffer, which holds many small answers. Large bodies
// bypass it.
const readBufferSize = 16 << 10

// maxTrustedLength is how much memory an announced length gets before its bytes have come, in
// bytes, unless the body is pooled. Beyond it, memory doubles with the bytes that have come.
const maxTrustedLength = 4 << 20

// answer is the body of an answer, or the part of it that is kept.
type answer struct {
	body []byte
	// truncated tells that the end of the body was dropped.
	truncated bool
	pooled    *pooledBody // the memory of body; nil when it is not pooled
}

// reader reads answers. A deadline may interrupt it anywhere, and another goroutine continues: the
// reader keeps what was read.
type reader struct {
	buf      *bufio.Reader
	bodies   *bodyPool
	answered bool // an answer has come on this connection

	// The current answer, whose header was read.
	call      *call
	status    iggyerr.Status
	body      []byte
	pooled    *pooledBody // the memory of body; nil when it is not pooled
	filled    int         // bytes of body that have come
	keep      uint64      // bytes of the body that are kept
	drop      uint64      // bytes after them that are still to be dropped
	truncated bool        // some bytes were dropped
}

func newReader(from io.Reader, bodies *bodyPool) reader {
	return reader{buf: bufio.NewReaderSize(from, readBufferSize), bodies: bodies}
}

// readHeader reads the header of an answer. next returns the call that the answer is for.
func (r *reader) readHeader(next func() *call) error {
	b, err := r.buf.Peek(transport.AnswerHeaderSize)
	if err != nil {
		return transport.ReadError(err, b, !r.answered)
	}
	status, length, err := transport.ParseAnswerHeader([transport.AnswerHeaderSize]byte(b))
	if err != nil {
		return err
	}
	k := next()
	if k == nil {
		return transport.UnexpectedAnswer(status, b)
	}
	if status == 0 {
		if err := k.shape.check(k.op, length); err != nil {
			return err
		}
	}
	// Everything that was peeked at is in the buffer.
	_, _ = r.buf.Discard(transport.AnswerHeaderSize)
	r.answered = true
	r.call, r.status = k, status
	r.body, r.pooled, r.filled, r.truncated = nil, nil, 0, false
	r.keep, r.drop = k.shape.keepAndDrop(uint64(length))
	if k.state.Load() == callCancelled {
		r.keep, r.drop = 0, uint64(length)
	}
	if k.shape.polled {
		if r.pooled = r.bodies.get(r.keep); r.pooled != nil {
			r.body = r.pooled.bytes[:r.keep]
		}
	}
	return nil
}

// readBody reads the rest of the body.
func (r *reader) readBody() error {
	if err := r.fill(); err != nil {
		return err
	}
	if r.drop > 0 && r.keep > 0 && !r.truncated {
		// The first message is kept even if it is larger than the bound. If it can't be, decodePolled
		// returns an error.
		size, err := wire.MessageSize(r.body[polledHeaderSize:])
		if more := polledHeaderSize + size; err == nil && more > r.keep && more <= r.keep+r.drop {
			r.keep, r.drop = more, r.keep+r.drop-more
			if err := r.fill(); err != nil {
				return err
			}
		}
	}
	for r.drop > 0 {
		r.truncated = true
		n, err := r.buf.Discard(int(min(r.drop, 1<<20)))
		r.drop -= uint64(n)
		if err != nil {
			return transport.ReadError(err, nil, false)
		}
	}
	return nil
}

// fill reads the body up to keep. It allocates memory as the bytes come.
func (r *reader) fill() error {
	for uint64(r.filled) < r.keep {
		if r.filled == len(r.body) {
			larger := make([]byte, min(r.keep, max(maxTrustedLength, 2*uint64(r.filled))))
			copy(larger, r.body)
			r.body, r.pooled = larger, nil
		}
		n, err := r.buf.Read(r.body[r.filled:])
		r.filled += n
		if err != nil {
			return transport.ReadError(err, nil, false)
		}
	}
	return nil
}

// hasWholeAnswer reports whether the buffer contains the whole next answer, so that reading it does
// not block.
func (r *reader) hasWholeAnswer() bool {
	if r.call != nil || r.buf.Buffered() < transport.AnswerHeaderSize {
		return false
	}
	b, _ := r.buf.Peek(transport.AnswerHeaderSize)
	length := binary.LittleEndian.Uint32(b[4:])
	return uint64(r.buf.Buffered()) >= transport.AnswerHeaderSize+uint64(length)
}
