package native

import (
	"bufio"
	"encoding/binary"
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
	pooled  *body // whose memory body is; nil: its own
}

// reader reads answers. Whoever reads may be interrupted anywhere by a deadline
// and another one goes on: all that was read is kept here.
type reader struct {
	buf   *bufio.Reader
	heard bool // an answer has come on this connection

	// The answer under way, whose head was read.
	call   *call
	status iggyerr.Status
	body   []byte
	pooled *body  // whose memory body is; nil: its own
	filled int    // of body
	keep   uint64 // bytes of the body that are kept
	drop   uint64 // bytes after them that are not, and have yet to come
	cut    bool   // some were not kept
}

func newReader(from io.Reader) reader {
	return reader{buf: bufio.NewReaderSize(from, readBuffer)}
}

// head reads the head of an answer. next tells for which call it is.
func (r *reader) head(next func() *call) error {
	b, err := r.buf.Peek(transport.AnswerHeadSize)
	if err != nil {
		return transport.ReadError(err, b, !r.heard)
	}
	status, length, err := transport.ParseAnswerHead([transport.AnswerHeadSize]byte(b))
	if err != nil {
		return err
	}
	k := next()
	if k == nil {
		return transport.Unasked(status, b)
	}
	if status == 0 {
		if err := k.shape.check(k.op, length); err != nil {
			return err
		}
	}
	// Everything that was peeked at is in the buffer.
	_, _ = r.buf.Discard(transport.AnswerHeadSize)
	r.heard = true
	r.call, r.status = k, status
	r.body, r.pooled, r.filled, r.cut = nil, nil, 0, false
	r.keep, r.drop = k.shape.split(uint64(length))
	if k.state.Load() == abandoned {
		r.keep, r.drop = 0, uint64(length)
	}
	if k.shape.polled {
		if r.pooled = takeBody(r.keep); r.pooled != nil {
			r.body = r.pooled.bytes[:r.keep]
		}
	}
	return nil
}

// rest reads what is missing of the body.
func (r *reader) rest() error {
	if err := r.fill(); err != nil {
		return err
	}
	if r.drop > 0 && r.keep > 0 && !r.cut {
		// The first message is kept even if it is larger than the bound.
		size, err := wire.MessageSize(r.body[polledHeadSize:])
		if err != nil || polledHeadSize+size > r.keep+r.drop {
			return transport.Malformed("poll: a message of %d bytes in a body of %d", size, r.keep+r.drop)
		}
		if more := polledHeadSize + size; more > r.keep {
			r.keep, r.drop = more, r.keep+r.drop-more
			if err := r.fill(); err != nil {
				return err
			}
		}
	}
	for r.drop > 0 {
		r.cut = true
		n, err := r.buf.Discard(int(min(r.drop, 1<<20)))
		r.drop -= uint64(n)
		if err != nil {
			return transport.ReadError(err, nil, false)
		}
	}
	return nil
}

// fill reads the body up to keep, and takes memory as the bytes come.
func (r *reader) fill() error {
	for uint64(r.filled) < r.keep {
		if r.filled == len(r.body) {
			larger := make([]byte, min(r.keep, max(believed, 2*uint64(r.filled))))
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

// complete tells that the next answer is in the buffer from end to end, so that
// reading it takes no time.
func (r *reader) complete() bool {
	if r.call != nil || r.buf.Buffered() < transport.AnswerHeadSize {
		return false
	}
	b, _ := r.buf.Peek(transport.AnswerHeadSize)
	length := binary.LittleEndian.Uint32(b[4:])
	return uint64(r.buf.Buffered()) >= transport.AnswerHeadSize+uint64(length)
}
