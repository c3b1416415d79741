package wire

import (
	"encoding/binary"
	"errors"
)

// errTruncated is returned for bytes that end before the message does.
var errTruncated = errors.New("iggy: truncated message")

// Message is a stored message. Payload and Headers alias the bytes that it was decoded from.
type Message struct {
	// ID is the message's id.
	ID [16]byte
	// Offset is the message's position in its partition, from 0.
	Offset uint64
	// Timestamp is when the server stored it, in microseconds since the Unix epoch.
	Timestamp uint64
	// OriginTimestamp is when the client made it, in microseconds since the Unix epoch.
	OriginTimestamp uint64
	// Payload is the message's body.
	Payload []byte
	// Headers are the encoded user headers; see RangeHeaders.
	Headers []byte
}

// Decode sets m to the first message of b and returns how many bytes the message takes. When b is
// too short for the message, whatever the lengths in it are, Decode fails and does not change m.
func (m *Message) Decode(b []byte) (int, error) {
	size, err := MessageSize(b)
	if err != nil || size > uint64(len(b)) {
		return 0, errTruncated
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

// MessageSize returns the number of bytes that the first message of b takes by its header; b may
// end earlier. It fails when b is too short for the header.
func MessageSize(b []byte) (uint64, error) {
	if len(b) < MessageHeaderSize {
		return 0, errTruncated
	}
	headers, payload := binary.LittleEndian.Uint32(b[48:]), binary.LittleEndian.Uint32(b[52:])
	return MessageHeaderSize + uint64(headers) + uint64(payload), nil
}
