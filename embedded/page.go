package embedded

import "sort"

// maxPageSize bounds the bytes of a page, since the length of an answer has 32 bits. The real
// server has no bound.
const maxPageSize = 1 << 31

// page is a part of a partition as a poll answers it.
type page struct {
	currentOffset uint64 // of the partition
	count         uint32
	size          int
	parts         [][]byte
	lastOffset    uint64 // of the page, when count is not 0
}

// The methods below need the partition's lock.

// readFrom collects up to count messages that start at offset, or at the oldest stored one if that
// is later.
func (p *partition) readFrom(offset uint64, count uint32, pg *page) {
	if !p.purged.empty() {
		p.readPurged(offset, count, pg)
		return
	}
	p.readStored(offset, count, pg)
}

// readStored is readFrom without the messages that have survived a purge.
func (p *partition) readStored(offset uint64, count uint32, pg *page) {
	i := sort.Search(len(p.chunks), func(i int) bool {
		c := p.chunks[i]
		return c.baseOffset+uint64(len(c.ends)) > offset
	})
	if i == len(p.chunks) {
		return
	}
	first := 0
	if base := p.chunks[i].baseOffset; offset > base {
		first = int(offset - base)
	}
	p.collect(i, first, count, pg)
}

// readSince collects up to count messages that were stored at the timestamp or later.
func (p *partition) readSince(timestamp uint64, count uint32, pg *page) {
	if !p.purged.empty() {
		p.readPurgedSince(timestamp, count, pg)
		return
	}
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

// collect adds messages to a page, from message first of chunk i on.
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
		pg.lastOffset = c.baseOffset + uint64(first+n-1)
		first = 0
	}
}
