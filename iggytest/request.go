package iggytest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// headerSize is the size of a frame's header. A request is `[u32 length = 4 + body][u32 command]
// [body]`, an answer `[u32 status][u32 length][body]`, little endian.
const headerSize = 8

// Request is a request as faults see it.
type Request struct {
	// Conn is the number of the connection, counted from 1 in the order in which they are accepted.
	Conn uint64
	// Number is the number of the request on its connection, counted from 1. It is 0 for the
	// connection itself (see [Refuse]).
	Number uint64
	// Command is the command. It is 0 for the connection itself.
	Command embedded.Command
	// Body is the body of the request. It must not be changed.
	Body []byte
}

// readRequest reads one frame. It allocates no more than what has arrived, so that false lengths
// cost nothing. It returns io.EOF only between frames.
func readRequest(r io.Reader) (frame []byte, err error) {
	var buf bytes.Buffer
	if _, err := io.CopyN(&buf, r, headerSize); err != nil {
		if buf.Len() > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return buf.Bytes(), err
	}
	length := binary.LittleEndian.Uint32(buf.Bytes())
	if length > 4 {
		if _, err := io.CopyN(&buf, r, int64(length)-4); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return buf.Bytes(), err
		}
	}
	return buf.Bytes(), nil
}

func answerFrame(status embedded.Status) []byte {
	frame := make([]byte, headerSize)
	binary.LittleEndian.PutUint32(frame, uint32(status))
	return frame
}
