package wire

import (
	"encoding/binary"
	"iter"
)

// MessageHeaderSize is the size of the fixed part of a stored message, in bytes.
const MessageHeaderSize = 64

// Batch is a run of messages in the form in which a send request contains them. Append encodes each
// message once; a send copies nothing.
//
//	checksum u64 | id 16 bytes | offset u64 | timestamp u64 | origin timestamp u64 |
//	user headers length u32 | payload length u32 | reserved u64 | payload | user headers
//
// The zero Batch is empty and ready. It is not safe for concurrent use.
type Batch struct {
	buf  []byte
	ends []uint32
}

// Append adds a message. originTimestamp is in microseconds since the Unix epoch. headers are
// encoded as by AppendHeader. The bytes are copied.
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

// EncodedSize returns the number of bytes that a message takes in a batch.
func EncodedSize(payload, headers int) int { return MessageHeaderSize + payload + headers }

// Len returns the number of messages.
func (b *Batch) Len() int { return len(b.ends) }

// Size returns the number of bytes of all messages.
func (b *Batch) Size() int { return len(b.buf) }

// Cap returns the number of bytes that the batch holds, for accounting.
func (b *Batch) Cap() int { return cap(b.buf) + 4*cap(b.ends) }

// Bytes returns the encoded messages. They are valid until the next Append or Reset.
func (b *Batch) Bytes() []byte { return b.buf }

// AppendIndex appends the index of the batch: for each message a zero u32, the end of the message
// as u32, and a zero u64.
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
			var m Message
			if _, err := m.Decode(b.buf[start:end]); err != nil || !yield(m) {
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

// Grow makes room for exactly so many more bytes and messages, so that Cap is known before the
// batch is filled.
func (b *Batch) Grow(bytes, messages int) {
	if cap(b.buf)-len(b.buf) < bytes {
		grown := make([]byte, len(b.buf), len(b.buf)+bytes)
		copy(grown, b.buf)
		b.buf = grown
	}
	if cap(b.ends)-len(b.ends) < messages {
		grown := make([]uint32, len(b.ends), len(b.ends)+messages)
		copy(grown, b.ends)
		b.ends = grown
	}
}

// Free returns the number of bytes and of messages that can be appended without an allocation.
func (b *Batch) Free() (bytes, messages int) {
	return cap(b.buf) - len(b.buf), cap(b.ends) - len(b.ends)
}

// Encoded returns the i-th message as it is sent. It aliases the batch's memory.
func (b *Batch) Encoded(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = b.ends[i-1]
	}
	return b.buf[start:b.ends[i]]
}

// ID returns the id of the i-th message.
func (b *Batch) ID(i int) (id [16]byte) {
	start := uint32(0)
	if i > 0 {
		start = b.ends[i-1]
	}
	copy(id[:], b.buf[start+8:])
	return id
}

// AppendEncoded adds a message in the form that Encoded returns.
func (b *Batch) AppendEncoded(message []byte) {
	b.buf = append(b.buf, message...)
	b.ends = append(b.ends, uint32(len(b.buf)))
}

// Keep removes the messages for which keep returns false. The others keep their bytes and their
// order.
func (b *Batch) Keep(keep func(i int) bool) {
	start, size, kept := uint32(0), 0, 0
	for i, end := range b.ends {
		if keep(i) {
			size += copy(b.buf[size:], b.buf[start:end])
			b.ends[kept] = uint32(size)
			kept++
		}
		start = end
	}
	b.buf, b.ends = b.buf[:size], b.ends[:kept]
}
