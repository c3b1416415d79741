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
	// ID is the message's id.
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

// Decode sets m to the first message of b and returns how many bytes it takes.
// It fails with ErrTruncated when b is too short for it, whatever the lengths
// in it say, and leaves m alone then.
func (m *Message) Decode(b []byte) (int, error) {
	size, err := MessageSize(b)
	if err != nil || size > uint64(len(b)) {
		return 0, ErrTruncated
	}
	end := MessageHeaderSize + int(binary.LittleEndian.Uint32(b[52:]))
	copy(m.ID[:], b[8:24])
	m.Offset = binary.LittleEndian.Uint64(b[24:])
	m.Timestamp = binary.LittleEndian.Uint64(b[32:])
	m.OriginTimestamp = binary.LittleEndian.Uint64(b[40:])
	m.Payload = b[MessageHeaderSize:end:end]
	m.Headers = nil
	if int(size) > end {
		m.Headers = b[end:size:size]
	}
	return int(size), nil
}

// DecodeMessage is Decode into a new message.
func DecodeMessage(b []byte) (Message, int, error) {
	var m Message
	n, err := m.Decode(b)
	return m, n, err
}

// MessageSize is the number of bytes that the first message of b says it
// takes; b may end before. It fails with ErrTruncated when b is too short to say.
func MessageSize(b []byte) (uint64, error) {
	if len(b) < MessageHeaderSize {
		return 0, ErrTruncated
	}
	headers, payload := binary.LittleEndian.Uint32(b[48:]), binary.LittleEndian.Uint32(b[52:])
	return MessageHeaderSize + uint64(headers) + uint64(payload), nil
}
