package producer

import (
	"time"
	"unsafe"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// settler is told what becomes of its messages, by their index with it. It may
// be told from several goroutines, and no lock is held then.
type settler interface {
	settle(index uint32, r Result)
}

// pending is a message in a batch, beside its bytes.
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

// batch is a run of messages of one partition: first open, then queued, then in
// flight, until each message has its outcome. While it is open or queued the
// partition's lock guards it; afterwards it belongs to the partition's sender.
type batch struct {
	wire     wire.Batch
	messages []pending
	epoch    *epoch

	memory      int64 // as counted by the ceiling
	withdrawals int   // messages that were withdrawn and are still here
	withdrawn   int   // their bytes
	withdrawers int   // messages that may yet be withdrawn

	hurried bool // it does not linger
	calls   bool // some of its settlers are callbacks

	attempts int
	unsure   bool  // an attempt may have stored it
	lastErr  error // of the last attempt
	failed   error // of an attempt by a caller, which the sender is to judge

	flushes []*flush
}

func (b *batch) len() int { return len(b.messages) }

// footprint is what the batch holds on to, in bytes.
func (b *batch) footprint() int64 {
	return int64(b.wire.Cap()) + int64(cap(b.messages))*pendingBytes
}

// grown is the footprint after grow with the same arguments.
func (b *batch) grown(bytes, messages int) int64 {
	n := b.footprint()
	freeBytes, freeEnds := b.wire.Free()
	if freeBytes < bytes {
		n += int64(bytes - freeBytes)
	}
	if freeEnds < messages {
		n += 4 * int64(messages-freeEnds)
	}
	if free := cap(b.messages) - len(b.messages); free < messages {
		n += pendingBytes * int64(messages-free)
	}
	return n
}

// grow makes room for exactly this much more.
func (b *batch) grow(bytes, messages int) {
	b.wire.Grow(bytes, messages)
	if cap(b.messages)-len(b.messages) < messages {
		grown := make([]pending, len(b.messages), len(b.messages)+messages)
		copy(grown, b.messages)
		b.messages = grown
	}
}

// hasRoom tells whether a message of size bytes fits without growing.
func (b *batch) hasRoom(size int) bool {
	bytes, ends := b.wire.Free()
	return size <= bytes && ends > 0 && len(b.messages) < cap(b.messages)
}

// deadline is when the oldest message must have its outcome.
func (b *batch) deadline(timeout time.Duration) int64 { return b.messages[0].accepted + int64(timeout) }

// outcome is that of a message of this batch which is given up now.
func (b *batch) outcome() Outcome {
	if b.unsure {
		return Unknown
	}
	return Failed
}

// keep drops the messages for which keep is false. Their room is not given back.
func (b *batch) keep(keep func(i int) bool) {
	b.wire.Keep(keep)
	kept := b.messages[:0]
	for i := range b.messages {
		if keep(i) {
			kept = append(kept, b.messages[i])
		}
	}
	clear(b.messages[len(kept):])
	b.messages = kept
}

// reset empties the batch and keeps its memory.
func (b *batch) reset() {
	b.wire.Reset()
	clear(b.messages)
	*b = batch{wire: b.wire, messages: b.messages[:0]}
}

// minAhead is what a batch may have ahead of its messages whatever the memory, in bytes
// and messages.
const (
	minAheadBytes    = 2 << 10
	minAheadMessages = 8
)

// getBatch returns an empty batch with room for about bytes and messages, or for one
// message of size bytes at least; nil when the memory ceiling allows neither.
func (p *Producer) getBatch(size, bytes, messages int, grant *int64) *batch {
	p.setWall()
	b, _ := p.pool.Get().(*batch)
	if b == nil || !p.ceiling.affords(b.footprint()) || !p.ceiling.tryMemory(b.footprint()) {
		b = &batch{} // the pooled one was from better times
	}
	b.memory = b.footprint()
	p.ceiling.open.Add(b.memory)
	if !p.growAhead(b, size, bytes, messages, grant) {
		p.closeBatch(b)
		p.ceiling.leaveMemory(b.memory)
		return nil
	}
	return b
}

// closeBatch notes that b will not get more messages.
func (p *Producer) closeBatch(b *batch) { p.ceiling.open.Add(-b.memory) }

// growAhead makes room in an open batch for this much more, or for as much as memory
// allows; false when that is less than one message of size bytes.
func (p *Producer) growAhead(b *batch, size, bytes, messages int, grant *int64) bool {
	bytes, messages = max(size, bytes), max(1, messages)
	if p.ceiling.affords(b.grown(bytes, messages)-b.memory) && p.growBatch(b, bytes, messages, nil) {
		return true
	}
	bytes = max(size, min(bytes, max(minAheadBytes, b.wire.Size()/2)))
	messages = max(1, min(messages, max(minAheadMessages, b.len()/2)))
	return p.growBatch(b, bytes, messages, nil) || p.growBatch(b, size, 1, grant)
}

// growBatch makes room in an open batch for this much more if the memory ceiling, or what was
// granted from it before, allows it.
func (p *Producer) growBatch(b *batch, bytes, messages int, grant *int64) bool {
	more := b.grown(bytes, messages) - b.memory
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
	b.grow(bytes, messages)
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
	wide := &batch{wire: b.wire, messages: b.messages}
	b.wire, b.messages = wire.Batch{}, nil
	b.grow(wide.wire.Size(), wide.len())
	for i := range wide.messages {
		b.wire.AppendEncoded(wide.wire.Encoded(i))
	}
	b.messages = append(b.messages, wide.messages...)
	wide.memory = b.memory - b.footprint()
	b.memory = b.footprint()
	p.putBatch(wide)
}

// putBatch gives a batch back whose messages all have their outcome.
func (p *Producer) putBatch(b *batch) {
	p.ceiling.leaveMemory(b.memory)
	b.reset()
	p.pool.Put(b)
}
