package embedded

import (
	"crypto/rand"
	"encoding/binary"
	"sort"
	"sync"

	"github.com/zeebo/xxh3"
	"go.uber.org/zap"
)

// The header of a stored message, 64 bytes, little endian: checksum u64, id 16 bytes, offset u64, timestamp u64, origin
// timestamp u64, length of the user headers u32, length of the payload u32, reserved u64. The payload and then the user
// headers follow. Times are in microseconds. The checksum is XXH3-64, seed 0, over all that follows it (found equal on
// every recorded message).
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

const (
	// A batch up to smallBatch bytes is copied into a chunk that it shares with others, so that a partition filled one
	// message at a time costs neither an allocation nor a slice to write for each.
	maxSharedBatch = 8 << 10
	maxSharedChunk = 256 << 10
)

// chunk is a run of stored messages. Bytes once written never change and data only grows within its capacity, so that
// a slice of it may be written to a socket without the partition's lock.
type chunk struct {
	base   uint64
	data   []byte
	ends   []uint32 // where each message ends in data
	shared bool
}

func (c *chunk) start(i int) uint32 {
	if i == 0 {
		return 0
	}
	return c.ends[i-1]
}

func (c *chunk) timestamp(i int) uint64 {
	return binary.LittleEndian.Uint64(c.data[c.start(i)+timestampAt:])
}

type partition struct {
	id      uint32
	created uint64

	mu     sync.Mutex
	closed bool
	chunks []*chunk
	// next is the offset of the next message, size and count are what is held.
	nextOffset uint64
	size       uint64
	count      uint64
	// retention bounds size; a negative one does not.
	retention int64
	// files keep the partition on disk, when it is not nil; what is before the offset saved is written.
	files      *partitionFiles
	savedUntil uint64
	// unsaved is how many bytes wait.
	unsavedBytes uint64

	consumerOffsets map[uint32]uint64
	groupOffsets    map[uint32]uint64
	// groupPolled is the last offset handed to a member of each group, by the group's number.
	groupPolled map[uint32]uint64
}

func newPartition(id uint32, created uint64, retention int64) *partition {
	return &partition{
		id: id, created: created, retention: retention,
		consumerOffsets: map[uint32]uint64{}, groupOffsets: map[uint32]uint64{}, groupPolled: map[uint32]uint64{},
	}
}

type partitionStats struct {
	current, size, messages uint64
}

func (p *partition) stats() partitionStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return partitionStats{current: p.currentOffset(), size: p.size, messages: p.count}
}

// current is the offset of the last message, 0 when there was none, which is the same as with one.
func (p *partition) currentOffset() uint64 {
	if p.nextOffset == 0 {
		return 0
	}
	return p.nextOffset - 1
}

// append stores a validated batch: data are the messages, ends where each ends. It takes data over and writes into it
// (offset, timestamp, checksum and, where there is none, an id). The answer to a partition that is gone is that there is
// none.
func (p *partition) append(data []byte, ends []uint32, now uint64) Status {
	full, ok := p.add(data, ends, now)
	if !ok {
		return StatusPartitionNotFound
	}
	if full {
		if err := p.save(false); err != nil {
			p.files.store.log.Error("messages not written", zap.Error(err))
			return StatusCannotSaveMessages
		}
	}
	return StatusOK
}

// add also tells whether it is time to write.
func (p *partition) add(data []byte, ends []uint32, now uint64) (full, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false, false
	}
	base := p.nextOffset
	start := uint32(0)
	for i, end := range ends {
		m := data[start:end]
		binary.LittleEndian.PutUint64(m[offsetAt:], base+uint64(i))
		binary.LittleEndian.PutUint64(m[timestampAt:], now)
		if binary.LittleEndian.Uint64(m[idAt:])|binary.LittleEndian.Uint64(m[idAt+8:]) == 0 {
			newMessageID(m[idAt : idAt+16])
		}
		binary.LittleEndian.PutUint64(m[checksumAt:], xxh3.Hash(m[idAt:]))
		start = end
	}
	p.appendToChunks(base, data, ends)
	p.unsavedBytes += uint64(len(data))
	p.applyRetention()
	return p.files != nil && (p.nextOffset-p.savedUntil >= saveMessages || p.unsavedBytes >= saveBytes), true
}

// newMessageID draws a version 4 UUID, as the real server does for messages that come without an id.
func newMessageID(id []byte) {
	_, _ = rand.Read(id)
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
}

func (p *partition) appendToChunks(base uint64, data []byte, ends []uint32) {
	p.nextOffset = base + uint64(len(ends))
	p.size += uint64(len(data))
	p.count += uint64(len(ends))
	if len(data) > maxSharedBatch {
		p.chunks = append(p.chunks, &chunk{base: base, data: data, ends: ends})
		return
	}
	var tail *chunk
	if n := len(p.chunks); n > 0 && p.chunks[n-1].shared && len(data) <= cap(p.chunks[n-1].data)-len(p.chunks[n-1].data) {
		tail = p.chunks[n-1]
	} else {
		// The first shared chunks are small: many partitions never hold more than a few messages.
		size := 4 * len(data)
		if n > 0 && p.chunks[n-1].shared {
			size = max(size, min(2*cap(p.chunks[n-1].data), maxSharedChunk))
		}
		tail = &chunk{base: base, data: make([]byte, 0, size), shared: true}
		p.chunks = append(p.chunks, tail)
	}
	offset := uint32(len(tail.data))
	tail.data = append(tail.data, data...)
	for _, end := range ends {
		tail.ends = append(tail.ends, offset+end)
	}
}

// trim drops the oldest chunks while the partition holds more than it may. The last one stays, and what is not written.
func (p *partition) applyRetention() {
	if p.retention < 0 {
		return
	}
	n := 0
	for n < len(p.chunks)-1 && p.size > uint64(p.retention) {
		if p.files != nil && p.chunks[n].base+uint64(len(p.chunks[n].ends)) > p.savedUntil {
			break
		}
		p.size -= uint64(len(p.chunks[n].data))
		p.count -= uint64(len(p.chunks[n].ends))
		p.chunks[n] = nil
		n++
	}
	p.chunks = p.chunks[n:]
}

// first is the offset of the oldest message held.
func (p *partition) firstOffset() uint64 {
	if len(p.chunks) == 0 {
		return p.nextOffset
	}
	return p.chunks[0].base
}

// maxPage bounds the bytes of a poll's answer, whose length has 32 bits. The real server does not look.
const maxPageSize = 1 << 31

// page is a part of a partition as a poll answers it.
type page struct {
	current uint64
	count   uint32
	size    int
	parts   [][]byte
	last    uint64 // offset of the last message, when count is not 0
}

// from collects up to count messages that start at offset, or at the oldest one held if that is later.
func (p *partition) readFrom(offset uint64, count uint32, pg *page) {
	i := sort.Search(len(p.chunks), func(i int) bool {
		c := p.chunks[i]
		return c.base+uint64(len(c.ends)) > offset
	})
	if i == len(p.chunks) {
		return
	}
	first := 0
	if base := p.chunks[i].base; offset > base {
		first = int(offset - base)
	}
	p.collect(i, first, count, pg)
}

// since collects up to count messages that were stored at the time or later.
func (p *partition) readSince(timestamp uint64, count uint32, pg *page) {
	i := sort.Search(len(p.chunks), func(i int) bool {
		c := p.chunks[i]
		return c.timestamp(len(c.ends)-1) >= timestamp
	})
	if i == len(p.chunks) {
		return
	}
	c := p.chunks[i]
	first := sort.Search(len(c.ends), func(j int) bool { return c.timestamp(j) >= timestamp })
	p.collect(i, first, count, pg)
}

func (p *partition) collect(i, first int, count uint32, pg *page) {
	for ; i < len(p.chunks) && pg.count < count; i++ {
		c := p.chunks[i]
		n := min(len(c.ends)-first, int(count-pg.count))
		part := c.data[c.start(first):c.ends[first+n-1]]
		if pg.size > 0 && pg.size+len(part) > maxPageSize {
			return
		}
		pg.parts = append(pg.parts, part)
		pg.size += len(part)
		pg.count += uint32(n)
		pg.last = c.base + uint64(first+n-1)
		first = 0
	}
}

// purge drops all messages and all offsets; numbering starts again at 0. On the real server, messages that it has not
// written to its disk yet survive, and are answered beside the new ones of the same numbers; this is not copied.
func (p *partition) purge() error {
	if p.files != nil {
		p.files.mu.Lock()
		defer p.files.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.chunks, p.nextOffset, p.size, p.count, p.savedUntil, p.unsavedBytes = nil, 0, 0, 0, 0, 0
	clear(p.consumerOffsets)
	clear(p.groupOffsets)
	if p.files != nil {
		return p.files.clear()
	}
	return nil
}

func (p *partition) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.chunks = nil
}
