package native

import (
	"math/bits"
	"slices"
	"sync"
)

// Answers to polls are read into pooled memory. To clear and collect fresh memory of this size
// costs as much as reading the answer (measured: a third of a consumer's CPU time with messages of
// 512 bytes).

// Bodies are pooled by size, in steps of bodyStep bytes or of an eighth of their size: an answer takes
// at most that much more than it needs. Bodies below minBody and above maxBody are not pooled.
const (
	bodyStep = 16 << 10
	minBody  = 64 << 10
	maxBody  = 16 << 20
	// maxFreeBodies is how many bytes of free bodies a connection keeps.
	maxFreeBodies = 24 << 20
)

// bodyPool has the free bodies of a connection. It is no sync.Pool: a consumer makes so much garbage
// that the collector would empty that between two polls, and with few bytes alive it would run the
// more often (measured: 78 collections in place of 20 for 500,000 messages).
type bodyPool struct {
	mu     sync.Mutex
	free   []*pooledBody // last in, first out
	bytes  int           // of free
	least  int           // the least length of free since the last call of trim
	closed bool
}

// pooledBody is pooled memory for one answer.
type pooledBody struct {
	bytes []byte
	pool  *bodyPool
}

// get returns memory for size bytes, with any content. It returns nil when memory of that size is
// not pooled.
func (p *bodyPool) get(size uint64) *pooledBody {
	if size == 0 || size < minBody && !overwriteReleased || size > maxBody {
		return nil
	}
	step := max(bodyStep, 1<<bits.Len64(size)>>4)
	length := int((size-1)/uint64(step)+1) * step
	if b := p.take(length); b != nil {
		return b
	}
	return &pooledBody{make([]byte, length), p}
}

// take takes a free body of that length out of the pool; nil when there is none.
func (p *bodyPool) take(length int) *pooledBody {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, b := range slices.Backward(p.free) {
		if len(b.bytes) == length {
			p.remove(i, i+1)
			return b
		}
	}
	return nil
}

// release returns the memory to the pool. Nothing may refer to it any more.
func (b *pooledBody) release() {
	if overwriteReleased {
		for i := range b.bytes {
			b.bytes[i] = 0xdb
		}
	}
	b.pool.put(b)
}

func (p *bodyPool) put(b *pooledBody) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.free = append(p.free, b)
	p.bytes += len(b.bytes)
	for p.bytes > maxFreeBodies {
		p.remove(0, 1)
	}
}

// trim forgets the bodies that nobody needed since the last call.
func (p *bodyPool) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(0, p.least)
	p.least = len(p.free)
}

// close forgets all bodies, also those that are released later.
func (p *bodyPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(0, len(p.free))
	p.closed = true
}

// remove removes free bodies. p.mu is held.
func (p *bodyPool) remove(from, to int) {
	for _, b := range p.free[from:to] {
		p.bytes -= len(b.bytes)
	}
	p.free = slices.Delete(p.free, from, to)
	p.least = min(p.least, len(p.free))
}
