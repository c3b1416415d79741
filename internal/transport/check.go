package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// AnswerHeadSize is the size of what precedes the body of every answer: status
// u32, length of the body u32, little endian.
const AnswerHeadSize = 8

// maxAnswer is the longest body that is believed, in bytes. Polls are bounded
// by the number of messages only, so it is generous: answers of 300 MiB were seen.
const maxAnswer = 2 << 30

// maxStatus is above every status of Iggy 0.8.0; the highest known is 13000.
const maxStatus = 100_000

// ParseAnswerHead reads the first 8 bytes of an answer, and tells by them
// whether the peer speaks the protocol at all: a status is a small number, and
// a status other than 0 comes without a body (measured on Iggy 0.8.0). Errors
// wrap iggyerr.ErrProtocol, which names the supported version.
func ParseAnswerHead(head [AnswerHeadSize]byte) (iggyerr.Status, uint32, error) {
	status := binary.LittleEndian.Uint32(head[:])
	length := binary.LittleEndian.Uint32(head[4:])
	switch {
	case status > maxStatus, status != 0 && length != 0, length > maxAnswer:
		foreign := head // head itself stays off the heap
		return 0, 0, fmt.Errorf("%w: %s", iggyerr.ErrProtocol, Foreign(foreign[:]))
	}
	return iggyerr.Status(status), length, nil
}

// Foreign describes bytes that are not an answer, and names their protocol
// when it is a common one.
func Foreign(b []byte) string {
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

// Malformed is the error for the body of an answer that does not have the form
// that the command calls for.
func Malformed(format string, args ...any) error {
	return fmt.Errorf("%w: malformed answer: %s", iggyerr.ErrProtocol, fmt.Sprintf(format, args...))
}

// Unasked is the error for an answer that no request waits for. A server that is
// being stopped in order tells each connection so before it ends it, asked or
// not (measured on Iggy 0.8.0); what had not been answered by then had no
// effect. Anything else means that the two ends are out of step.
func Unasked(status iggyerr.Status, head []byte) error {
	if status == iggyerr.StatusDisconnected {
		return &iggyerr.StatusError{Op: "connection", Status: status}
	}
	return Malformed("it answered unasked: %s", Foreign(head))
}

// maxName is the longest name of a stream, a topic, a group, a consumer or a
// user, in bytes: its length is one byte on the wire.
const maxName = 255

// CheckNames refuses names that no request can carry: names have 1 to 255
// bytes. what and name alternate.
func CheckNames(op string, whatAndName ...string) error {
	for i := 0; i+1 < len(whatAndName); i += 2 {
		if n := len(whatAndName[i+1]); n == 0 || n > maxName {
			return fmt.Errorf("iggy: %s: the %s's name has %d bytes, it must have 1 to %d", op, whatAndName[i], n, maxName)
		}
	}
	return nil
}

// CheckCredentials refuses names, passwords and tokens that no request can
// carry. Its errors match iggyerr.ErrCredentials and hold no secret.
func CheckCredentials(c Credentials) error {
	check := func(what, s string) error {
		if n := len(s); n == 0 || n > maxName {
			return fmt.Errorf("%w: the %s has %d bytes, it must have 1 to %d", iggyerr.ErrCredentials, what, n, maxName)
		}
		return nil
	}
	if c.Token != "" {
		return check("token", c.Token)
	}
	if err := check("user name", c.Username); err != nil {
		return err
	}
	return check("password", c.Password)
}

// ReadError describes an error of reading an answer of which head was read.
// first tells that it would have been the connection's first answer: then the
// two ends may never have understood each other.
func ReadError(err error, head []byte, first bool) error {
	switch {
	case len(head) >= 2 && (head[0] == 0x15 || head[0] == 0x16) && head[1] == 0x03:
		return fmt.Errorf("%w: %s", iggyerr.ErrProtocol, Foreign(head))
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && first:
		return alert(err)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case first:
		return fmt.Errorf("connection closed before the first answer (does the server speak Iggy 0.8, and TLS as configured?): %w", err)
	}
	return fmt.Errorf("connection closed by the server: %w", err)
}

// ErrEmptyBatch is returned for a send of no messages, which the protocol does
// not allow. Nothing is sent.
var ErrEmptyBatch = errors.New("iggy: send: empty batch")
