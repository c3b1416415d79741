package wire

import (
	"encoding/binary"
	"iter"
)

// MessageHeaderSize is the fixed part of a stored message, in bytes.
const MessageHeaderSize = 64

// IndexSize is the size of a message's entry in the index that precedes the
// messages of a send request, in bytes.
const IndexSize = 16

// Batch is a run of messages in the form in which a send request carries them,
// encoded once, when they are added. A send of it copies nothing.
//
//	checksum u64 | id 16 bytes | offset u64 | timestamp u64 | origin timestamp u64 |
//	user headers length u32 | payload length u32 | reserved u64 | payload | user headers
//
// The zero Batch is empty and ready. It is not safe for concurrent use.
type Batch struct {
	buf  []byte
	ends []uint32
}

// Append adds a message. originTimestamp is in microseconds since the epoch;
// headers are encoded as AppendHeader does. The bytes are copied.
func (b *Batch) Append(id [16]byte, originTimestamp uint64, payload, headers []byte) {
	var h [MessageHeaderSize]byte
	copy(h[8:24], id[:])
	binary.LittleEndian.PutUint64(h[40:], originTimestamp)
	binary.LittleEndian.PutUint32(h[48:], uint32(len(headers)))
	binary.LittleEndian.PutUint32(h[52:], uint32(len(payload)))
	b.buf = append(b.buf, h[:]...)
	b.buf = append(b.buf, payload...)
	b.buf = append(b.buf, headers...)
	b.ends = append(b.ends, uint32(len(b.buf)))
}

// EncodedSize is the number of bytes that a message takes in a batch.
func EncodedSize(payload, headers int) int { return MessageHeaderSize + payload + headers }

// Len is the number of messages.
func (b *Batch) Len() int { return len(b.ends) }

// Size is the number of bytes of all messages.
func (b *Batch) Size() int { return len(b.buf) }

// Cap is the number of bytes that the batch holds on to, for accounting.
func (b *Batch) Cap() int { return cap(b.buf) + 4*cap(b.ends) }

// Bytes are the encoded messages. They are valid until the next Append or Reset.
func (b *Batch) Bytes() []byte { return b.buf }

// AppendIndex appends the index of the batch: for each message a zero u32, the
// end of the message as u32, and a zero u64.
func (b *Batch) AppendIndex(dst []byte) []byte {
	for _, end := range b.ends {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(end)<<32)
		dst = binary.LittleEndian.AppendUint64(dst, 0)
	}
	return dst
}

// Messages iterates over the batch. The messages alias the batch's memory.
func (b *Batch) Messages() iter.Seq[Message] {
	return func(yield func(Message) bool) {
		start := uint32(0)
		for _, end := range b.ends {
			m, _, err := DecodeMessage(b.buf[start:end])
			if err != nil || !yield(m) {
				return
			}
			start = end
		}
	}
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.buf = b.buf[:0]
	b.ends = b.ends[:0]
}
