package producer

import (
	"time"
	"unsafe"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// settler is told what becomes of its records, by their index with it. It may
// be told from several goroutines, and no lock is held then.
type settler interface {
	settle(index uint32, r Result)
}

// pending is a record in a batch, beside its bytes.
type pending struct {
	sink      settler // nil when nobody asked
	accepted  int64   // nanoseconds on the producer's clock
	hash      uint32  // of the key
	index     uint32  // with the sink
	how       choice
	withdraws bool // sink is a withdrawer
	direct    bool // the caller would send it itself
	withdrawn bool
}

const pendingBytes = int64(unsafe.Sizeof(pending{}))

// batch is a run of records of one partition: first open, then queued, then in
// flight, until each record has its outcome. While it is open or queued the
// partition's lock guards it; afterwards it belongs to the partition's sender.
type batch struct {
	wire    wire.Batch
	records []pending
	epoch   *epoch

	memory      int64 // as counted by the ceiling
	withdrawals int   // records that were withdrawn and are still here
	withdrawn   int   // their bytes
	withdrawers int   // records that may yet be withdrawn

	hurried bool // it does not linger
	calls   bool // some of its settlers are callbacks

	attempts int
	unsure   bool  // an attempt may have stored it
	lastErr  error // of the last attempt
	failed   error // of an attempt by a caller, which the sender is to judge

	flushes []*flush
}

func (b *batch) len() int { return len(b.records) }

// footprint is what the batch holds on to, in bytes.
func (b *batch) footprint() int64 {
	return int64(b.wire.Cap()) + int64(cap(b.records))*pendingBytes
}

// grown is the footprint after grow with the same arguments.
func (b *batch) grown(bytes, records int) int64 {
	n := b.footprint()
	freeBytes, freeEnds := b.wire.Free()
	if freeBytes < bytes {
		n += int64(bytes - freeBytes)
	}
	if freeEnds < records {
		n += 4 * int64(records-freeEnds)
	}
	if free := cap(b.records) - len(b.records); free < records {
		n += pendingBytes * int64(records-free)
	}
	return n
}

// grow makes room for exactly this much more.
func (b *batch) grow(bytes, records int) {
	b.wire.Grow(bytes, records)
	if cap(b.records)-len(b.records) < records {
		grown := make([]pending, len(b.records), len(b.records)+records)
		copy(grown, b.records)
		b.records = grown
	}
}

// hasRoom tells whether a record of size bytes fits without growing.
func (b *batch) hasRoom(size int) bool {
	bytes, ends := b.wire.Free()
	return size <= bytes && ends > 0 && len(b.records) < cap(b.records)
}

// deadline is when the oldest record must have its outcome.
func (b *batch) deadline(timeout time.Duration) int64 { return b.records[0].accepted + int64(timeout) }

// outcome is that of a record of this batch which is given up now.
func (b *batch) outcome() Outcome {
	if b.unsure {
		return Unknown
	}
	return Failed
}

// keep drops the records for which keep is false. Their room is not given back.
func (b *batch) keep(keep func(i int) bool) {
	b.wire.Keep(keep)
	kept := b.records[:0]
	for i := range b.records {
		if keep(i) {
			kept = append(kept, b.records[i])
		}
	}
	clear(b.records[len(kept):])
	b.records = kept
}

// reset empties the batch and keeps its memory.
func (b *batch) reset() {
	b.wire.Reset()
	clear(b.records)
	*b = batch{wire: b.wire, records: b.records[:0]}
}

// minAhead is what a batch may have ahead of its records whatever the memory, in bytes
// and records.
const (
	minAheadBytes   = 2 << 10
	minAheadRecords = 8
)

// getBatch returns an empty batch with room for about bytes and records, or for one
// record of size bytes at least; nil when the memory ceiling allows neither.
func (p *Producer) getBatch(size, bytes, records int, grant *int64) *batch {
	p.setWall()
	b, _ := p.pool.Get().(*batch)
	if b == nil || !p.ceiling.affords(b.footprint()) || !p.ceiling.tryMemory(b.footprint()) {
		b = &batch{} // the pooled one was from better times
	}
	b.memory = b.footprint()
	p.ceiling.open.Add(b.memory)
	if !p.growAhead(b, size, bytes, records, grant) {
		p.closeBatch(b)
		p.ceiling.leaveMemory(b.memory)
		return nil
	}
	return b
}

// closeBatch notes that b will not get more records.
func (p *Producer) closeBatch(b *batch) { p.ceiling.open.Add(-b.memory) }

// growAhead makes room in an open batch for this much more, or for as much as memory
// allows; false when that is less than one record of size bytes.
func (p *Producer) growAhead(b *batch, size, bytes, records int, grant *int64) bool {
	bytes, records = max(size, bytes), max(1, records)
	if p.ceiling.affords(b.grown(bytes, records)-b.memory) && p.growBatch(b, bytes, records, nil) {
		return true
	}
	bytes = max(size, min(bytes, max(minAheadBytes, b.wire.Size()/2)))
	records = max(1, min(records, max(minAheadRecords, b.len()/2)))
	return p.growBatch(b, bytes, records, nil) || p.growBatch(b, size, 1, grant)
}

// growBatch makes room in an open batch for this much more if the memory ceiling, or what was
// granted from it before, allows it.
func (p *Producer) growBatch(b *batch, bytes, records int, grant *int64) bool {
	more := b.grown(bytes, records) - b.memory
	if grant != nil {
		more -= *grant
	}
	if !p.ceiling.tryMemory(more) {
		return false
	}
	if grant != nil {
		*grant = 0
	}
	before := b.memory
	b.grow(bytes, records)
	b.memory = b.footprint()
	p.ceiling.open.Add(b.memory - before)
	return true
}

// fit moves a batch that is about to be sent into memory of its own size when it
// wastes most of what it has and memory is getting scarce: it may be in flight for
// long, and others could fill that memory.
func (p *Producer) fit(b *batch) {
	used := int64(b.wire.Size()) + int64(b.len())*(pendingBytes+4)
	if b.memory <= minAheadBytes || b.memory < 2*used || p.ceiling.memory.Load() < p.ceiling.maxMemory/4 {
		return
	}
	wide := &batch{wire: b.wire, records: b.records}
	b.wire, b.records = wire.Batch{}, nil
	b.grow(wide.wire.Size(), wide.len())
	for i := range wide.records {
		b.wire.AppendEncoded(wide.wire.Encoded(i))
	}
	b.records = append(b.records, wide.records...)
	wide.memory = b.memory - b.footprint()
	b.memory = b.footprint()
	p.putBatch(wide)
}

// putBatch gives a batch back whose records all have their outcome.
func (p *Producer) putBatch(b *batch) {
	p.ceiling.leaveMemory(b.memory)
	b.reset()
	p.pool.Put(b)
}
