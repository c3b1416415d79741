package embedded

import (
	"slices"
	"sort"
)

// purgedMessages are messages that were not saved when they were purged, in the order in which they
// were sent. Their offsets are those of before the purge.
type purgedMessages struct {
	chunks []*chunk
	// baseOffset is the offset of the first of them. Polls from a lower one find nothing.
	baseOffset uint64
}

func (m *purgedMessages) empty() bool { return len(m.chunks) == 0 }

// add adds the messages from an offset on. It is called at a purge.
func (m *purgedMessages) add(chunks []*chunk, fromOffset uint64) {
	if m.empty() {
		m.baseOffset = fromOffset
	}
	for _, c := range chunks {
		if c.baseOffset+uint64(len(c.ends)) <= fromOffset {
			continue
		}
		if c.baseOffset < fromOffset {
			c = c.from(int(fromOffset - c.baseOffset))
		}
		m.chunks = append(m.chunks, c)
	}
}

// from returns the messages of a chunk from index first on.
func (c *chunk) from(first int) *chunk {
	start := c.start(first)
	ends := slices.Clone(c.ends[first:])
	for i := range ends {
		ends[i] -= start
	}
	return &chunk{baseOffset: c.baseOffset + uint64(first), data: c.data[start:], ends: ends}
}

// readPurged collects messages like readFrom while there are purged ones: first those, and then the
// new ones, each only when its offset is higher than that of the one before. It needs the
// partition's lock.
func (p *partition) readPurged(offset uint64, count uint32, pg *page) {
	if offset > p.currentOffset() || offset < p.purged.baseOffset {
		return
	}
	for _, c := range slices.Concat(p.purged.chunks, p.chunks) {
		end := c.baseOffset + uint64(len(c.ends))
		if end <= offset || pg.count >= count {
			continue
		}
		first := int(max(offset, c.baseOffset) - c.baseOffset)
		n := min(len(c.ends)-first, int(count-pg.count))
		part := c.data[c.start(first):c.ends[first+n-1]]
		pg.parts = append(pg.parts, part)
		pg.size += len(part)
		pg.count += uint32(n)
		pg.lastOffset = c.baseOffset + uint64(first+n-1)
		offset = pg.lastOffset + 1
	}
}

// readPurgedSince collects messages like readSince while there are purged ones: those, and then the
// new ones. The offsets begin anew between the two (measured on the real server). It needs the
// partition's lock.
func (p *partition) readPurgedSince(timestamp uint64, count uint32, pg *page) {
	for _, c := range slices.Concat(p.purged.chunks, p.chunks) {
		first := sort.Search(len(c.ends), func(i int) bool { return c.timestamp(i) >= timestamp })
		n := min(len(c.ends)-first, int(count-pg.count))
		if n <= 0 {
			continue
		}
		part := c.data[c.start(first):c.ends[first+n-1]]
		pg.parts = append(pg.parts, part)
		pg.size += len(part)
		pg.count += uint32(n)
		pg.lastOffset = c.baseOffset + uint64(first+n-1)
	}
}
