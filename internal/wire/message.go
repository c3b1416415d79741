package wire

import (
	"encoding/binary"
	"errors"
)

// ErrTruncated is returned for bytes that end before what they announce.
var ErrTruncated = errors.New("iggy: truncated message")

// Message is a stored message. Payload and Headers alias the bytes that it was
// decoded from.
type Message struct {
	// ID is the record's id.
	ID [16]byte
	// Offset is the message's place in its partition, from 0.
	Offset uint64
	// Timestamp is when the server stored it, in microseconds since the epoch.
	Timestamp uint64
	// OriginTimestamp is when the client made it, in microseconds since the epoch.
	OriginTimestamp uint64
	// Payload is the message's body.
	Payload []byte
	// Headers are the encoded user headers; see RangeHeaders.
	Headers []byte
}

// DecodeMessage decodes the first message of b and returns how many bytes it
// takes. It fails with ErrTruncated when b is too short for it, whatever the
// lengths in it say.
func DecodeMessage(b []byte) (Message, int, error) {
	if len(b) < MessageHeaderSize {
		return Message{}, 0, ErrTruncated
	}
	headers := int(binary.LittleEndian.Uint32(b[48:]))
	payload := int(binary.LittleEndian.Uint32(b[52:]))
	size := MessageHeaderSize + payload + headers
	if payload > len(b)-MessageHeaderSize || headers > len(b)-MessageHeaderSize-payload {
		return Message{}, 0, ErrTruncated
	}
	m := Message{
		Offset:          binary.LittleEndian.Uint64(b[24:]),
		Timestamp:       binary.LittleEndian.Uint64(b[32:]),
		OriginTimestamp: binary.LittleEndian.Uint64(b[40:]),
		Payload:         b[MessageHeaderSize : MessageHeaderSize+payload : MessageHeaderSize+payload],
	}
	copy(m.ID[:], b[8:24])
	if headers > 0 {
		m.Headers = b[MessageHeaderSize+payload : size : size]
	}
	return m, size, nil
}
