package embedded

import (
	"crypto/rand"
	"encoding/binary"
	"slices"
	"time"
)

// The header of a stored message has 64 bytes, little endian: checksum u64, id 16 bytes, offset
// u64, timestamp u64, origin timestamp u64, length of the user headers u32, length of the payload
// u32, reserved u64. The payload and then the user headers follow. Times are in microseconds. The
// checksum is XXH3-64 with seed 0 over everything behind it, which holds for every recorded
// message.
const (
	messageHeaderSize = 64

	checksumAt        = 0
	idAt              = 8
	offsetAt          = 24
	timestampAt       = 32
	originTimestampAt = 40
	headersLengthAt   = 48
	payloadLengthAt   = 52
)

// setRandomID sets a version 4 UUID, as the real server does for messages without an id.
func setRandomID(id []byte) {
	_, _ = rand.Read(id)
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
}

// messageSize returns the size of the message that begins with this header.
func messageSize(header []byte) uint64 {
	return messageHeaderSize + uint64(binary.LittleEndian.Uint32(header[payloadLengthAt:])) +
		uint64(binary.LittleEndian.Uint32(header[headersLengthAt:]))
}

// Message is a stored message. Its slices are copies.
type Message struct {
	// Offset is the position in the partition, counted from 0.
	Offset uint64
	// ID is the id that the client set, or the random one that the server set.
	ID [16]byte
	// Timestamp is when the server stored the message.
	Timestamp time.Time
	// OriginTimestamp is when the client created the message, as it says itself.
	OriginTimestamp time.Time
	// Checksum is XXH3-64 over the message without its first 8 bytes.
	Checksum uint64
	Payload  []byte
	// UserHeaders are the encoded user headers: kind u8, length u32 and bytes of the key, then the
	// same of the value.
	UserHeaders []byte
}

func decodeMessage(m []byte) Message {
	payloadEnd := messageHeaderSize + int(binary.LittleEndian.Uint32(m[payloadLengthAt:]))
	msg := Message{
		Offset:          binary.LittleEndian.Uint64(m[offsetAt:]),
		Timestamp:       time.UnixMicro(int64(binary.LittleEndian.Uint64(m[timestampAt:]))),
		OriginTimestamp: time.UnixMicro(int64(binary.LittleEndian.Uint64(m[originTimestampAt:]))),
		Checksum:        binary.LittleEndian.Uint64(m[checksumAt:]),
		Payload:         slices.Clone(m[messageHeaderSize:payloadEnd]),
		UserHeaders:     slices.Clone(m[payloadEnd:]),
	}
	copy(msg.ID[:], m[idAt:])
	return msg
}
