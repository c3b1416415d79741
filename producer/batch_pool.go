package producer

import (
	"sync"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// batchPool makes batches and keeps their memory for later ones, within the memory limit.
type batchPool struct {
	pool  sync.Pool // of *batch
	limit *bufferLimit
}

// Every batch may reserve this much memory before its messages come, however much memory is in use.
const (
	minPreallocBytes    = 2 << 10
	minPreallocMessages = 8
)

// get returns an empty batch with room for about bytes and messages, or at least for one message of
// size bytes. It returns nil when the memory limit allows neither.
func (p *batchPool) get(size, bytes, messages int, grant *int64) *batch {
	b, _ := p.pool.Get().(*batch)
	if b == nil || !p.limit.allowsPrealloc(b.memorySize()) || !p.limit.tryReserveMemory(b.memorySize()) {
		b = &batch{} // the pooled one is larger than the free memory
	}
	b.memory = b.memorySize()
	p.limit.openMemory.Add(b.memory)
	if !p.prealloc(b, size, bytes, messages, grant) {
		p.close(b)
		p.limit.releaseMemory(b.memory)
		return nil
	}
	return b
}

// close counts b as a batch that gets no more messages.
func (p *batchPool) close(b *batch) { p.limit.openMemory.Add(-b.memory) }

// prealloc makes room in an open batch for so many more bytes and messages, or for as much as the
// memory limit allows. It returns false when that is less than one message of size bytes.
func (p *batchPool) prealloc(b *batch, size, bytes, messages int, grant *int64) bool {
	bytes, messages = max(size, bytes), max(1, messages)
	if p.limit.allowsPrealloc(b.memoryAfterGrow(bytes, messages)-b.memory) && p.grow(b, bytes, messages, nil) {
		return true
	}
	bytes = max(size, min(bytes, max(minPreallocBytes, b.wire.Size()/2)))
	messages = max(1, min(messages, max(minPreallocMessages, b.len()/2)))
	return p.grow(b, bytes, messages, nil) || p.grow(b, size, 1, grant)
}

// grow makes room in an open batch for so many more bytes and messages, if the memory limit or
// grant, memory that was reserved before, allows it.
func (p *batchPool) grow(b *batch, bytes, messages int, grant *int64) bool {
	more := b.memoryAfterGrow(bytes, messages) - b.memory
	if grant != nil {
		more -= *grant
	}
	if !p.limit.tryReserveMemory(more) {
		return false
	}
	if grant != nil {
		*grant = 0
	}
	before := b.memory
	b.grow(bytes, messages)
	b.memory = b.memorySize()
	p.limit.openMemory.Add(b.memory - before)
	return true
}

// shrink moves a batch that is about to be sent into memory of its own size, when the batch wastes
// most of its memory and memory is scarce: the batch may be in flight for long, and others can use
// the memory.
func (p *batchPool) shrink(b *batch) {
	used := int64(b.wire.Size()) + int64(b.len())*(pendingMessageBytes+4)
	if b.memory <= minPreallocBytes || b.memory < 2*used || p.limit.memory.Load() < p.limit.maxMemory/4 {
		return
	}
	large := &batch{wire: b.wire, messages: b.messages}
	b.wire, b.messages = wire.Batch{}, nil
	b.grow(large.wire.Size(), large.len())
	for i := range large.messages {
		b.wire.AppendEncoded(large.wire.Encoded(i))
	}
	b.messages = append(b.messages, large.messages...)
	large.memory = b.memory - b.memorySize()
	b.memory = b.memorySize()
	p.put(large)
}

// put returns a batch to the pool. All its messages have their outcome.
func (p *batchPool) put(b *batch) {
	p.limit.releaseMemory(b.memory)
	b.reset()
	p.pool.Put(b)
}
