package consumer

import (
	"bytes"
	"sync"

	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// unpacked bounds what the payloads of the messages in hand take that were
// compressed: a thousandth of it may have been read. Half is set aside for the
// partitions in equal parts, as in the window. A partition that holds none may always have
// one message, so that none stops because others are stuck, and what a payload claims
// to grow to may be too little: those are the only ways over the limit, by a message for each partition.
//
// Its lock may be taken while a partition's is held.
type decompressedLimit struct {
	mu      sync.Mutex
	limit   int
	used    int
	members []*partition
	waiting []*partition // those that found no room since the last release
}

func (l *decompressedLimit) setMembers(parts []*partition) {
	l.mu.Lock()
	l.members = parts
	l.mu.Unlock()
}

// take reserves room for one message of p. A p that finds none is remembered,
// and named by the next give.
func (l *decompressedLimit) reserve(p *partition, want int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.leftDecompressed {
		return false
	}
	room := l.limit - l.used
	if n := len(l.members); n > 1 {
		reserve := l.limit / (2 * n)
		for _, q := range l.members {
			if q != p {
				room -= max(0, reserve-q.decompressedReserved)
			}
		}
	}
	if want > room && p.decompressedReserved > 0 {
		if !p.waitsDecompressed.Swap(true) {
			l.waiting = append(l.waiting, p)
		}
		return false
	}
	l.used += want
	p.decompressedReserved += want
	return true
}

// give takes back n bytes, and returns the partitions that may look again; a negative n
// is what a message has more than was reserved.
func (l *decompressedLimit) release(p *partition, n int) []*partition {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !p.leftDecompressed {
		l.used -= n
		p.decompressedReserved -= n
	}
	return l.takeWaiters()
}

// leave takes p out, with all that it holds.
func (l *decompressedLimit) remove(p *partition) []*partition {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used -= p.decompressedReserved
	p.decompressedReserved, p.leftDecompressed = 0, true
	return l.takeWaiters()
}

// next gives those who found no room. u.mu is held.
func (l *decompressedLimit) takeWaiters() []*partition {
	waiting := l.waiting
	l.waiting = nil
	for _, q := range waiting {
		q.waitsDecompressed.Store(false)
	}
	return waiting
}

// inUse is how much room is taken.
func (l *decompressedLimit) inUse() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.used
}

// shrink gives room for decompressed payloads back. p.mu is held.
func (p *partition) releaseDecompressed(n int) {
	if n == 0 {
		return
	}
	for _, q := range p.e.decompressed.release(p, n) {
		p.e.scheduler.schedule(q)
	}
}

// unpackable tells how many of the messages may be decoded now, and what room was
// reserved for them: as many as are not compressed, or one that is. p.mu is held.
func (p *partition) reserveDecompressed(raw []wire.Message) (n, reserved int) {
	for n < len(raw) && !compressed(&raw[n]) {
		n++
	}
	if n > 0 {
		return n, 0
	}
	name, _ := encodingOf(&raw[0]) // malformed headers fail when the message is decoded
	// Even one that claims nothing takes a byte: the partition is not empty then.
	size := max(1, min(encoding.Size(name, raw[0].Payload), int(p.e.cfg.MaxDecompressedBytes)))
	if !p.e.decompressed.reserve(p, size) {
		return 0, 0
	}
	return 1, size
}

var contentEncoding = []byte(topic.HeaderContentEncoding)

// compressed tells whether a message may be compressed. Most have no headers.
func compressed(m *wire.Message) bool {
	return len(m.Headers) > 0 && bytes.Contains(m.Headers, contentEncoding)
}

// encodingOf is the compression that a message's headers name; none is empty. It fails when they are malformed.
func encodingOf(m *wire.Message) (name string, err error) {
	err = wire.RangeHeaders(m.Headers, func(key, value string) bool {
		if key != topic.HeaderContentEncoding {
			return true
		}
		name = value
		return false
	})
	return name, err
}
