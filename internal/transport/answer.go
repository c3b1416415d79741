package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// AnswerHeaderSize is the size of what precedes the body of every answer: status u32, length of the
// body u32, little endian.
const AnswerHeaderSize = 8

// maxAnswer is the largest accepted length of a body, in bytes. Only the number of messages bounds
// a poll, so the limit is generous: answers of 300 MiB were seen.
const maxAnswer = 2 << 30

// maxStatus is above every status of Iggy 0.8.0; the highest known one is 13000.
const maxStatus = 100_000

// ParseAnswerHeader parses the first 8 bytes of an answer and checks that the peer speaks the
// protocol: a status is a small number, and a status other than 0 has no body (measured on Iggy
// 0.8.0). Errors wrap iggyerr.ErrProtocol, which names the supported version.
func ParseAnswerHeader(head [AnswerHeaderSize]byte) (iggyerr.Status, uint32, error) {
	status := binary.LittleEndian.Uint32(head[:])
	length := binary.LittleEndian.Uint32(head[4:])
	switch {
	case status > maxStatus, status != 0 && length != 0, length > maxAnswer:
		foreign := head // head itself stays off the heap
		return 0, 0, fmt.Errorf("%w: %s", iggyerr.ErrProtocol, describeForeign(foreign[:]))
	}
	return iggyerr.Status(status), length, nil
}

// describeForeign describes bytes that are not an answer, and names their protocol when it is a
// common one.
func describeForeign(b []byte) string {
	const shown = 16
	switch {
	case bytes.HasPrefix(b, []byte("HTTP/")):
		return "it answered in HTTP"
	case bytes.HasPrefix(b, []byte("SSH-")):
		return "it answered in SSH"
	case len(b) >= 2 && (b[0] == 0x15 || b[0] == 0x16) && b[1] == 0x03:
		return "it answered in TLS; is TLS missing in the configuration?"
	}
	return fmt.Sprintf("it answered with the bytes % x", b[:min(len(b), shown)])
}

// Malformed returns the error for the body of an answer that does not have the form that the
// command requires.
func Malformed(format string, args ...any) error {
	return fmt.Errorf("%w: malformed answer: %s", iggyerr.ErrProtocol, fmt.Sprintf(format, args...))
}

// ErrUndecodable is in the chain of a poll's error when its own answer has messages that can't be
// decoded. It is not in those of the other calls that end with the connection.
var ErrUndecodable = errors.New("messages that can't be decoded")

// UnexpectedAnswer returns the error for an answer without a request. A server that stops regularly
// sends one to each connection before it closes it (measured on Iggy 0.8.0). Unanswered requests
// had no effect then. Any other such answer means that the two ends are out of step.
func UnexpectedAnswer(status iggyerr.Status, head []byte) error {
	if status == iggyerr.StatusDisconnected {
		return &iggyerr.StatusError{Op: "connection", Status: status}
	}
	return Malformed("it answered without a request: %s", describeForeign(head))
}

// ReadError describes the error of reading an answer of which head was read. first tells that it is
// the connection's first answer: then the two ends may never have understood each other.
func ReadError(err error, head []byte, first bool) error {
	switch {
	case len(head) >= 2 && (head[0] == 0x15 || head[0] == 0x16) && head[1] == 0x03:
		return fmt.Errorf("%w: %s", iggyerr.ErrProtocol, describeForeign(head))
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && first:
		return alertError(err)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case first:
		return fmt.Errorf("connection closed before the first answer (does the server speak Iggy 0.8, and TLS as configured?): %w", err)
	}
	return fmt.Errorf("connection closed by the server: %w", err)
}
