package producer

import (
	"math/bits"
	"sync"
	"unsafe"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Batches take their memory in pieces, within the memory limit: chunks for the encoded messages, and
// slots for what is known of each message. There are four sizes of pieces between a power of two and
// the next, so that batches of all partitions use the same pieces again. A batch begins with small
// ones, and each chunk that follows is about as large as what the batch has: so it has about as much
// free memory as messages at most, beside the first pieces, and no message is copied.
const (
	minChunk  = 2 << 10 // bytes
	maxPooled = 1 << 20 // a larger piece is not used again
	minSlots  = 8       // messages

	// A chunk for more than one message has at most 1/chunksInLimit of the limit, and at least
	// minMaxChunk and at most maxMaxChunk bytes. The last chunk of each batch is half empty on average:
	// with a small limit and large chunks, the limit on memory is reached long before that on bytes.
	minMaxChunk   = 8 << 10
	maxMaxChunk   = 64 << 10
	chunksInLimit = 256
)

// chunk is a piece of memory for encoded messages.
type chunk struct{ bytes []byte }

// slots is a piece of memory for what is known of messages.
type slots struct {
	ends     []wire.End
	messages []pendingMessage
}

const slotBytes = int64(unsafe.Sizeof(wire.End{}) + unsafe.Sizeof(pendingMessage{}))

// batchMemory gives batches their memory and takes it back. It is safe for concurrent use.
type batchMemory struct {
	limit   *bufferLimit
	batches sync.Pool          // of *batch
	chunks  [classes]sync.Pool // of *chunk, by the class of their size
	slots   [classes]sync.Pool // of *slots
}

// grow makes room in an open batch for one more message of size bytes, and for more if the memory
// limit allows it. grant is memory that was reserved before; grow sets it to 0 when it uses it. When
// it returns 0 there is room. Otherwise it returns how much memory one more message needs, with the
// grant.
func (m *batchMemory) grow(b *batch, size int, grant *int64) (need int64) {
	bytes, slots := 0, 0
	if b.wire.Free() < size {
		bytes = roundUp(m.chunkBytes(b.wire.Size(), size))
	}
	if len(b.messages) == cap(b.messages) {
		slots = roundUp(max(2*len(b.messages), minSlots))
	}
	if bytes == 0 && slots == 0 {
		return 0
	}
	for {
		n := int64(bytes) + int64(slots)*slotBytes
		switch {
		case m.limit.tryReserveMemory(n - *grant):
			*grant = 0
			m.add(b, bytes, slots)
			return 0
		case bytes > size:
			bytes = max(bytes/2, size)
		case slots > len(b.messages)+minSlots:
			slots = len(b.messages) + minSlots
		default:
			return n
		}
	}
}

// chunkBytes returns the size of the next chunk of a batch that has so many bytes, for a message of
// size bytes.
func (m *batchMemory) chunkBytes(have, size int) int {
	most := min(max(m.limit.maxBytes/chunksInLimit, minMaxChunk), maxMaxChunk)
	n := min(max(have, minChunk), int(most))
	if 4*size > n { // a few messages might not fill it
		n = max(size, minChunk)
	}
	return n
}

// classes is the number of sizes.
const classes = 4 * (bits.UintSize + 1)

// roundUp returns the size of the least piece of at least n.
func roundUp(n int) int {
	step := 1 << max(0, bits.Len(uint(n-1))-3)
	return (n + step - 1) / step * step
}

// class returns the class of a size that roundUp has returned.
func class(n int) int {
	octave := bits.Len(uint(n - 1))
	return 4*octave + (n-1)>>max(0, octave-3)&3
}

// add gives b a chunk of so many bytes and room for so many messages, if they are not 0. Their
// memory is reserved.
func (m *batchMemory) add(b *batch, bytes, n int) {
	if bytes > 0 {
		c := m.getChunk(bytes)
		b.chunks = append(b.chunks, c)
		b.wire.AddChunk(c.bytes)
	}
	if n > 0 {
		to := m.getSlots(n)
		from := b.slots
		b.wire.MoveEnds(to.ends)
		b.messages = append(to.messages, b.messages...)
		b.slots = to
		m.putSlots(from)
	}
}

func (m *batchMemory) getChunk(bytes int) *chunk {
	if c, _ := m.chunks[class(bytes)].Get().(*chunk); c != nil && cap(c.bytes) == bytes {
		return c
	}
	return &chunk{make([]byte, 0, bytes)}
}

func (m *batchMemory) getSlots(n int) *slots {
	if s, _ := m.slots[class(n)].Get().(*slots); s != nil && cap(s.messages) == n {
		return s
	}
	return &slots{make([]wire.End, 0, n), make([]pendingMessage, 0, n)}
}

// putSlots releases slots; nil are none. Like putChunks, it keeps none of the sizes that grow takes
// near the memory limit: a piece in a pool has a size of roundUp.
func (m *batchMemory) putSlots(s *slots) {
	if s == nil {
		return
	}
	n := cap(s.messages)
	clear(s.messages[:n])
	m.limit.releaseMemory(int64(n) * slotBytes)
	if n == roundUp(n) && int64(n)*slotBytes <= maxPooled {
		m.slots[class(n)].Put(s)
	}
}

// putChunks releases the chunks of b from the i-th on.
func (m *batchMemory) putChunks(b *batch, i int) {
	released := int64(0)
	for at, c := range b.chunks[i:] {
		n := cap(c.bytes)
		released += int64(n)
		if n == roundUp(n) && n <= maxPooled {
			m.chunks[class(n)].Put(c)
		}
		b.chunks[i+at] = nil
	}
	b.chunks = b.chunks[:i]
	m.limit.releaseMemory(released)
}

// get returns an empty batch without memory.
func (m *batchMemory) get() *batch {
	if b, _ := m.batches.Get().(*batch); b != nil {
		return b
	}
	return new(batch)
}

// put releases b and its memory. All its messages have their outcome.
func (m *batchMemory) put(b *batch) {
	b.wire.Reset()
	b.wire.MoveEnds(nil)
	m.putChunks(b, 0)
	m.putSlots(b.slots)
	*b = batch{wire: b.wire, chunks: b.chunks}
	m.batches.Put(b)
}
