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
	consumer      consumer
	stream, topic identifier
	partition     uint32
	named         bool // a partition is given
	kind          uint8
	value         uint64
	count         uint32
	commit        bool
}

// pollRequest reads `[consumer][identifier stream][identifier topic][u8 present][u32 partition][u8 kind][u64 value]
// [u32 count][u8 auto commit]`. Kinds: 1 from an offset, 2 from a time in microseconds, 3 first, 4 last, 5 after the
// stored offset.
func (d *decoder) pollRequest() (r pollRequest) {
	r.consumer = d.consumer()
	r.stream, r.topic = d.identifier(), d.identifier()
	r.partition, r.named = d.optionalPartition()
	r.kind = d.u8()
	if d.status == StatusOK && (r.kind < pollOffset || r.kind > pollNext) {
		d.fail(StatusInvalidCommand)
	}
	r.value = d.u64()
	r.count = d.u32()
	r.commit = d.u8() != 0
	return r
}

// pollMessages answers `[u32 partition][u64 current offset][u32 count][count × message]`. A member that asks for a
// partition which it does not have gets partition 0, offset 0 and nothing, as does one that has none.
func (c *conn) pollMessages(d *decoder) (Status, [][]byte, int) {
	r := d.pollRequest()
	if st := c.admit(d); st != StatusOK {
		return st, nil, 0
	}
	s := c.server
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	t, st := c.topic(r.stream, r.topic, canPoll)
	if st != StatusOK {
		return st, nil, 0
	}
	who, id, owned, st := c.resolve(t, r.consumer, r.partition, r.named, true)
	if st != StatusOK {
		return st, nil, 0
	}
	if !owned {
		c.appendPage(0, &page{})
		return StatusOK, nil, 0
	}
	id &= partitionMask
	p := t.partition(id)
	if p == nil {
		return StatusPartitionNotFound, nil, 0
	}
	pg := p.poll(&r, who)
	if pg.count > 0 && who.group != nil {
		if r.commit {
			s.completeHandoverAfterCommit(t, who.group, who.memberSlot, id)
		}
		p.setPolled(who.group.id, pg.last)
	}
	c.appendPage(id, &pg)
	return StatusOK, pg.parts, pg.size
}

func (c *conn) appendPage(partition uint32, pg *page) {
	c.out = binary.LittleEndian.AppendUint32(c.out, partition)
	c.out = binary.LittleEndian.AppendUint64(c.out, pg.current)
	c.out = binary.LittleEndian.AppendUint32(c.out, pg.count)
}

// owner is whose offsets are meant: a single consumer's, by its number, or a group's.
type offsetOwner struct {
	key        uint32
	group      *group
	memberSlot uint32 // the slot of the member
}

// resolve finds the consumer and the partition that a request is about. For a group it is the named partition, or the
// next one in turn of the connection's own (advance moves the turn); owned is false when the member does not have it.
// It needs the catalog's lock.
func (c *conn) resolve(t *topic, who consumer, partition uint32, named, advance bool) (offsetOwner, uint32, bool, Status) {
	if !who.group {
		return offsetOwner{key: who.key()}, partition, true, StatusOK
	}
	if !c.server.clients.exists(c.clientID) {
		return offsetOwner{}, 0, false, StatusStaleClient
	}
	g := t.findGroup(who.id)
	if g == nil {
		return offsetOwner{}, 0, false, StatusGroupNotFound
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.memberOf(c.clientID)
	if m == nil {
		return offsetOwner{}, 0, false, StatusNotMember
	}
	o := offsetOwner{group: g, memberSlot: m.slot}
	if named {
		return o, partition, m.owns(partition), StatusOK
	}
	id, ok := m.nextPartition(c.server.catalog.currentCopy(), advance)
	return o, id, ok, StatusOK
}

// poll collects a page and commits it when the request says so.
func (p *partition) poll(r *pollRequest, who offsetOwner) page {
	p.mu.Lock()
	defer p.mu.Unlock()
	pg := page{current: p.currentOffset()}
	if r.count == 0 || p.nextOffset == 0 {
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
		p.setOffset(who, pg.last)
	}
	return pg
}
