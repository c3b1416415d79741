package embedded

import "encoding/binary"

// Kinds of polling.
const (
	pollOffset    = 1
	pollTimestamp = 2
	pollFirst     = 3
	pollLast      = 4
	pollNext      = 5
)

type pollRequest struct {
	kind   uint8
	value  uint64
	count  uint32
	commit bool
}

// pollRequest reads `[u8 kind][u64 value][u32 count][u8 auto commit]`. Kinds: 1 from an offset,
// 2 from a time in microseconds, 3 first, 4 last, 5 after the stored offset.
func (d *decoder) pollRequest() (r pollRequest) {
	r.kind = d.u8()
	if d.status == StatusOK && (r.kind < pollOffset || r.kind > pollNext) {
		d.fail(StatusInvalidCommand)
	}
	r.value = d.u64()
	r.count = d.u32()
	r.commit = d.flag()
	return r
}

// pollMessages answers `[u32 partition][u64 current offset][u32 count][count × message]`. A member
// that asks for a partition that it does not have gets partition 0, offset 0 and no messages, as
// does a member that has no partition.
func (c *conn) pollMessages(t *topic, r consumerPartition, request pollRequest) Status {
	found, st := c.resolve(t, r, true)
	if st != StatusOK {
		return st
	}
	if !found.owned {
		c.answerPage(0, &page{})
		return StatusOK
	}
	id := found.partition & partitionMask
	p := t.partition(id)
	if p == nil {
		return StatusPartitionNotFound
	}
	pg := p.poll(request, found.owner)
	if group := found.owner.group; group != nil && pg.count > 0 {
		if request.commit {
			c.server.completeHandoverAfterCommit(t, group, found.owner.memberSlot, id)
		}
		p.setPolled(group.id, pg.lastOffset)
	}
	c.answerPage(id, &pg)
	return StatusOK
}

func (c *conn) answerPage(partition uint32, pg *page) {
	c.out = binary.LittleEndian.AppendUint32(c.out, partition)
	c.out = binary.LittleEndian.AppendUint64(c.out, pg.currentOffset)
	c.out = binary.LittleEndian.AppendUint32(c.out, pg.count)
	c.parts, c.partsSize = pg.parts, pg.size
}

// poll collects a page, and stores its last offset when the request says so.
func (p *partition) poll(r pollRequest, who offsetOwner) page {
	p.mu.Lock()
	defer p.mu.Unlock()
	pg := page{currentOffset: p.currentOffset()}
	if r.count == 0 || p.nextOffset == 0 && p.purged.empty() {
		return pg
	}
	switch r.kind {
	case pollOffset:
		p.readFrom(r.value, r.count, &pg)
	case pollTimestamp:
		p.readSince(r.value, r.count, &pg)
	case pollFirst:
		p.readFrom(p.firstOffset(), r.count, &pg)
	case pollLast:
		p.readFrom(p.nextOffset-min(uint64(r.count), p.nextOffset), r.count, &pg)
	case pollNext:
		offsets, key := p.offsets(who)
		if stored, ok := offsets[key]; !ok {
			p.readFrom(p.firstOffset(), r.count, &pg)
		} else if stored < p.currentOffset() {
			p.readFrom(stored+1, r.count, &pg)
		}
	}
	if r.commit && pg.count > 0 {
		p.setOffset(who, pg.lastOffset)
	}
	return pg
}
