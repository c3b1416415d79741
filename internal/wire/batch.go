package wire

import (
	"encoding/binary"
	"iter"
	"slices"
)

// MessageHeaderSize is the size of the fixed part of a stored message, in bytes.
const MessageHeaderSize = 64

// Batch is a run of messages in the form in which a send request contains them. Append encodes each
// message once; a send copies nothing.
//
//	checksum u64 | id 16 bytes | offset u64 | timestamp u64 | origin timestamp u64 |
//	user headers length u32 | payload length u32 | reserved u64 | payload | user headers
//
// Its memory is a list of chunks, so that a batch grows without being copied. A message never spans
// two chunks. The zero Batch is empty and ready. It is not safe for concurrent use.
type Batch struct {
	chunks [][]byte
	ends   []End
	size   int
}

// End is where a message of a Batch ends.
type End struct{ chunk, offset uint32 }

// Append adds a message. originTimestamp is in microseconds since the Unix epoch. headers are
// encoded as by AppendHeader. The bytes are copied.
func (b *Batch) Append(id [16]byte, originTimestamp uint64, payload, headers []byte) {
	var h [MessageHeaderSize]byte
	copy(h[8:24], id[:])
	binary.LittleEndian.PutUint64(h[40:], originTimestamp)
	binary.LittleEndian.PutUint32(h[48:], uint32(len(headers)))
	binary.LittleEndian.PutUint32(h[52:], uint32(len(payload)))
	size := EncodedSize(len(payload), len(headers))
	to := b.room(size)
	*to = append(*to, h[:]...)
	*to = append(*to, payload...)
	*to = append(*to, headers...)
	b.ended(size)
	// The next message is probably as large. With many batches, its memory is in no cache.
	free := (*to)[len(*to):cap(*to)]
	prefetch(free[:min(size, len(free), maxPrefetch)])
}

// maxPrefetch bounds what is prefetched, in bytes. In a longer copy, the processor itself prefetches
// the rest.
const maxPrefetch = 1 << 10

// AppendEncoded adds a message in the form that Encoded returns.
func (b *Batch) AppendEncoded(message []byte) {
	to := b.room(len(message))
	*to = append(*to, message...)
	b.ended(len(message))
}

// Sizes of the chunks that a batch makes itself, in bytes, unless a message is larger.
const (
	minChunk = 1 << 10
	maxChunk = 64 << 10
)

// room returns the last chunk if size bytes fit, or a new one.
func (b *Batch) room(size int) *[]byte {
	if b.Free() < size {
		b.AddChunk(make([]byte, 0, max(size, min(max(b.size, minChunk), maxChunk))))
	}
	return &b.chunks[len(b.chunks)-1]
}

// ended notes that a message of size bytes was added to the last chunk.
func (b *Batch) ended(size int) {
	last := len(b.chunks) - 1
	b.ends = append(b.ends, End{uint32(last), uint32(len(b.chunks[last]))})
	b.size += size
}

// AddChunk makes the batch use the memory of chunk, which is empty, for the following messages. What
// is free in the chunk before it stays free.
func (b *Batch) AddChunk(chunk []byte) { b.chunks = append(b.chunks, chunk) }

// Chunks returns the encoded messages. They are valid until the next change of the batch.
func (b *Batch) Chunks() [][]byte { return b.chunks }

// Free returns the number of bytes that are free in the last chunk.
func (b *Batch) Free() int {
	if len(b.chunks) == 0 {
		return 0
	}
	last := b.chunks[len(b.chunks)-1]
	return cap(last) - len(last)
}

// MoveEnds moves the list of the messages' ends to the memory of to, and returns the memory where it
// was. The capacity of to is the number of messages that can be added without an allocation of the
// batch's own.
func (b *Batch) MoveEnds(to []End) (from []End) {
	from, b.ends = b.ends, append(to[:0], b.ends...)
	return from
}

// EncodedSize returns the number of bytes that a message takes in a batch.
func EncodedSize(payload, headers int) int { return MessageHeaderSize + payload + headers }

// Len returns the number of messages.
func (b *Batch) Len() int { return len(b.ends) }

// Size returns the number of bytes of all messages.
func (b *Batch) Size() int { return b.size }

// Bytes returns the encoded messages in one slice: a copy if the batch has several chunks.
func (b *Batch) Bytes() []byte {
	if len(b.chunks) == 1 {
		return b.chunks[0]
	}
	return slices.Concat(b.chunks...)
}

// AppendIndex appends the index of the batch: for each message a zero u32, the end of the message
// as u32, and a zero u64.
func (b *Batch) AppendIndex(dst []byte) []byte {
	chunk, before := uint32(0), 0 // bytes before the chunk
	for _, end := range b.ends {
		for ; chunk < end.chunk; chunk++ {
			before += len(b.chunks[chunk])
		}
		dst = binary.LittleEndian.AppendUint64(dst, uint64(before+int(end.offset))<<32)
		dst = binary.LittleEndian.AppendUint64(dst, 0)
	}
	return dst
}

// Messages iterates over the batch. The messages alias the batch's memory.
func (b *Batch) Messages() iter.Seq[Message] {
	return func(yield func(Message) bool) {
		for i := range b.ends {
			var m Message
			if _, err := m.Decode(b.Encoded(i)); err != nil || !yield(m) {
				return
			}
		}
	}
}

// Reset empties the batch. It keeps the memory of the ends, and forgets the chunks.
func (b *Batch) Reset() {
	clear(b.chunks)
	*b = Batch{chunks: b.chunks[:0], ends: b.ends[:0]}
}

// start returns where the i-th message starts in its chunk.
func (b *Batch) start(i int) uint32 {
	if i == 0 || b.ends[i-1].chunk != b.ends[i].chunk {
		return 0
	}
	return b.ends[i-1].offset
}

// Encoded returns the i-th message as it is sent. It aliases the batch's memory.
func (b *Batch) Encoded(i int) []byte {
	end := b.ends[i]
	return b.chunks[end.chunk][b.start(i):end.offset]
}

// ID returns the id of the i-th message.
func (b *Batch) ID(i int) [16]byte { return [16]byte(b.Encoded(i)[8:]) }

// Keep removes the messages for which keep returns false. The others keep their bytes and their
// order. They move to the first chunks, and the batch forgets those that are empty then.
func (b *Batch) Keep(keep func(i int) bool) {
	kept, chunk, at, size := 0, 0, 0, 0
	var before End
	for i, end := range b.ends {
		start := uint32(0)
		if i > 0 && before.chunk == end.chunk {
			start = before.offset
		}
		before = end
		if !keep(i) {
			continue
		}
		message := b.chunks[end.chunk][start:end.offset]
		for at+len(message) > cap(b.chunks[chunk]) { // at most as far as the message's own chunk
			b.chunks[chunk] = b.chunks[chunk][:at]
			chunk, at = chunk+1, 0
		}
		at += copy(b.chunks[chunk][at:cap(b.chunks[chunk])], message)
		size += len(message)
		b.ends[kept] = End{uint32(chunk), uint32(at)}
		kept++
	}
	b.ends, b.size = b.ends[:kept], size
	if len(b.chunks) > 0 {
		b.chunks[chunk] = b.chunks[chunk][:at]
		clear(b.chunks[chunk+1:])
		b.chunks = b.chunks[:chunk+1]
	}
}
