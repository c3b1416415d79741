package embedded

import (
	"encoding/binary"
	"sync"

	"github.com/zeebo/xxh3"
)

const (
	// maxSharedBatch is the size up to which a batch is copied into a chunk that it shares with
	// others, so that a partition that is filled one message at a time needs neither an allocation
	// nor a slice of its own for each.
	maxSharedBatch = 8 << 10
	// maxSharedChunk is the size up to which such chunks grow.
	maxSharedChunk = 256 << 10
)

// chunk is a run of stored messages. Bytes that are written never change, and data grows only
// within its capacity, so a slice of it may be written to a socket without the partition's lock.
type chunk struct {
	baseOffset uint64
	data       []byte
	ends       []uint32 // where each message ends in data
	shared     bool
}

func (c *chunk) start(i int) uint32 {
	if i == 0 {
		return 0
	}
	return c.ends[i-1]
}

// hasRoom reports whether size bytes of messages, from offset base on, may be added.
func (c *chunk) hasRoom(base uint64, size int) bool {
	return c.shared && base == c.baseOffset+uint64(len(c.ends)) && size <= cap(c.data)-len(c.data)
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
	// nextOffset is the offset of the next message. size and count are those of chunks.
	nextOffset uint64
	size       uint64
	count      uint64
	// retention bounds size. A negative number means no bound.
	retention int64
	saving    saveSettings
	// files are nil for a server without a directory. Messages before savedUntil are written to
	// them, or would be if there were a directory.
	files      *partitionFiles
	savedUntil uint64
	// unsavedBytes is the size of the messages that are not written. saveFailed says that the last
	// attempt to write them has failed.
	unsavedBytes uint64
	saveFailed   bool
	// waiting are batches that are stored when they are written, see [partition.appendSaved].
	waiting []*batch
	// purged are the messages that have survived a purge, see [WithPurgeSavedOnly].
	purged purgedMessages

	consumerOffsets map[uint32]uint64
	groupOffsets    map[uint32]uint64
	// groupPolled is the last offset that a member of each group has polled, by the group's number.
	groupPolled map[uint32]uint64
}

func newPartition(id uint32, created uint64, o *options) *partition {
	return &partition{
		id: id, created: created, retention: o.retention, saving: o.save,
		consumerOffsets: map[uint32]uint64{}, groupOffsets: map[uint32]uint64{}, groupPolled: map[uint32]uint64{},
	}
}

type partitionStats struct {
	currentOffset, size, messages uint64
}

func (p *partition) stats() partitionStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return partitionStats{currentOffset: p.currentOffset(), size: p.size, messages: p.count}
}

// currentOffset returns the offset of the last message. It is 0 with one message and with none.
func (p *partition) currentOffset() uint64 {
	if p.nextOffset == 0 {
		return 0
	}
	return p.nextOffset - 1
}

// firstOffset returns the offset of the oldest stored message.
func (p *partition) firstOffset() uint64 {
	if len(p.chunks) == 0 {
		return p.nextOffset
	}
	return p.chunks[0].baseOffset
}

// append stores a validated batch: data are the messages, ends where each ends. It keeps data and
// sets offset, timestamp, checksum and, where there is none, the id. A deleted partition is
// answered as one that does not exist.
func (p *partition) append(data []byte, ends []uint32, now uint64) Status {
	b := &batch{data: data, ends: ends, now: now}
	if p.files != nil && p.saving.each() {
		return p.appendSaved(b)
	}
	for {
		full, st := p.appendInMemory(b)
		if !full {
			return st
		}
		if err := p.save(p.saving.fsync); err != nil {
			p.files.store.logFailure("messages not written", err)
			return StatusCannotSaveMessages
		}
		if st == StatusOK {
			return st
		}
	}
}

// appendInMemory stores a batch in memory. full says that it is time to write to the file. After a
// failed write nothing is stored until another one succeeds, so that memory is bounded.
func (p *partition) appendInMemory(b *batch) (full bool, st Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false, StatusPartitionNotFound
	}
	if p.saveFailed {
		return true, StatusCannotSaveMessages
	}
	b.stamp(p.nextOffset)
	p.appendToChunks(p.nextOffset, b.data, b.ends)
	p.unsavedBytes += uint64(len(b.data))
	p.applyRetention()
	return p.nextOffset-p.savedUntil >= p.saving.messages || p.unsavedBytes >= p.saving.bytes, StatusOK
}

// stamp sets what the server sets in messages, the first of which gets the offset base.
func (b *batch) stamp(base uint64) {
	start := uint32(0)
	for i, end := range b.ends {
		m := b.data[start:end]
		binary.LittleEndian.PutUint64(m[offsetAt:], base+uint64(i))
		binary.LittleEndian.PutUint64(m[timestampAt:], b.now)
		if binary.LittleEndian.Uint64(m[idAt:])|binary.LittleEndian.Uint64(m[idAt+8:]) == 0 {
			setRandomID(m[idAt : idAt+16])
		}
		binary.LittleEndian.PutUint64(m[checksumAt:], xxh3.Hash(m[idAt:]))
		start = end
	}
}

func (p *partition) appendToChunks(base uint64, data []byte, ends []uint32) {
	p.nextOffset = base + uint64(len(ends))
	p.size += uint64(len(data))
	p.count += uint64(len(ends))
	if len(data) > maxSharedBatch {
		p.chunks = append(p.chunks, &chunk{baseOffset: base, data: data, ends: ends})
		return
	}
	var tail *chunk
	if n := len(p.chunks); n > 0 && p.chunks[n-1].hasRoom(base, len(data)) {
		tail = p.chunks[n-1]
	} else {
		// The first shared chunks are small, since many partitions only ever get a few messages.
		size := 4 * len(data)
		if n > 0 && p.chunks[n-1].shared {
			size = max(size, min(2*cap(p.chunks[n-1].data), maxSharedChunk))
		}
		tail = &chunk{baseOffset: base, data: make([]byte, 0, size), shared: true}
		p.chunks = append(p.chunks, tail)
	}
	offset := uint32(len(tail.data))
	tail.data = append(tail.data, data...)
	for _, end := range ends {
		tail.ends = append(tail.ends, offset+end)
	}
}

// applyRetention removes the oldest chunks while the partition exceeds its retention, but neither
// the last one nor any with messages that are not written to the file.
func (p *partition) applyRetention() {
	if p.retention < 0 {
		return
	}
	n := 0
	for n < len(p.chunks)-1 && p.size > uint64(p.retention) {
		c := p.chunks[n]
		if p.files != nil && c.baseOffset+uint64(len(c.ends)) > p.savedUntil {
			break
		}
		p.size -= uint64(len(c.data))
		p.count -= uint64(len(c.ends))
		p.chunks[n] = nil
		n++
	}
	p.chunks = p.chunks[n:]
}

// purge deletes all messages and all offsets. The next message gets offset 0. With savedOnly the
// messages that are not saved can still be polled.
func (p *partition) purge(savedOnly bool) error {
	if p.files != nil {
		p.files.mu.Lock()
		defer p.files.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if savedOnly {
		p.purged.add(p.chunks, p.savedUntil)
	}
	p.chunks, p.nextOffset, p.size, p.count, p.savedUntil, p.unsavedBytes = nil, 0, 0, 0, 0, 0
	clear(p.consumerOffsets)
	clear(p.groupOffsets)
	if p.files != nil {
		return p.files.clear()
	}
	return nil
}

// close makes the partition refuse messages and frees its memory.
func (p *partition) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.chunks = nil
}
