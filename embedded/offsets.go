package embedded

import "encoding/binary"

// offsets is the table that an owner's offset is in, and its place there. It needs the partition's lock.
func (p *partition) offsets(who offsetOwner) (map[uint32]uint64, uint32) {
	if who.group != nil {
		return p.groupOffsets, who.group.id
	}
	return p.consumerOffsets, who.key
}

// commit stores an offset. It needs the partition's lock.
func (p *partition) setOffset(who offsetOwner, offset uint64) {
	offsets, key := p.offsets(who)
	offsets[key] = offset
	p.writeOffset(who, offset, false)
}

// polled notes the last offset that a member of the group was given.
func (p *partition) setPolled(group uint32, offset uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.groupPolled[group] = offset
}

func (p *partition) clearPolled(group uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.groupPolled, group)
}

// settled tells whether the group has committed all that it has polled.
func (p *partition) polledIsCommitted(group uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	polled, ok := p.groupPolled[group]
	if !ok {
		return true
	}
	committed, ok := p.groupOffsets[group]
	return ok && committed >= polled
}

// commitDone hands a partition over when a commit was what it waited for. It needs the catalog's lock.
func (s *Server) completeHandoverAfterCommit(t *topic, g *group, slot, partition uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.members.get(slot)
	if m == nil || !m.isHandingOver(partition) {
		return
	}
	if p := t.partition(partition); p != nil && p.polledIsCommitted(g.id) {
		s.completeHandovers(t, g, "committed", []pendingHandover{{from: m, partition: partition}})
	}
}

// owned finds the partition whose offset a request is to change. It needs the catalog's lock.
func (c *conn) owned(t *topic, who consumer, partition uint32, named bool) (offsetOwner, *partition, Status) {
	o, id, owned, st := c.resolve(t, who, partition, named, false)
	if st != StatusOK {
		return offsetOwner{}, nil, st
	}
	if !owned {
		return offsetOwner{}, nil, StatusNotOwner
	}
	p := t.partition(id)
	if p == nil {
		return offsetOwner{}, nil, StatusPartitionNotFound
	}
	return o, p, StatusOK
}

// storeOffset reads `[consumer][identifier stream][identifier topic][u8 present][u32 partition][u64 offset]`. The offset
// may go back, but not past the end. Of a group only the member that has the partition may store.
func (c *conn) storeOffset(d *decoder) Status {
	who := d.consumer()
	streamID, topicID := d.identifier(), d.identifier()
	partitionID, named := d.optionalPartition()
	offset := d.u64()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	s := c.server
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	t, st := c.topic(streamID, topicID, canPoll)
	if st != StatusOK {
		return st
	}
	o, p, st := c.owned(t, who, partitionID, named)
	if st != StatusOK {
		return st
	}
	if !p.storeOffset(o, offset) {
		return StatusInvalidOffset
	}
	if o.group != nil {
		s.completeHandoverAfterCommit(t, o.group, o.memberSlot, p.id)
	}
	return StatusOK
}

func (p *partition) storeOffset(who offsetOwner, offset uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.nextOffset == 0 || offset >= p.nextOffset {
		return false
	}
	p.setOffset(who, offset)
	return true
}

// getOffset reads `[consumer][identifier stream][identifier topic][u8 present][u32 partition]` and answers
// `[u32 partition][u64 current offset][u64 stored offset]`, or nothing when none is stored or anything does not exist.
// Anyone may ask for the offset of a group, member or not. No partition means partition 0.
func (c *conn) getOffset(d *decoder) Status {
	who := d.consumer()
	streamID, topicID := d.identifier(), d.identifier()
	partitionID, _ := d.optionalPartition()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	s := c.server
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	t, st := c.topic(streamID, topicID, canPoll)
	if st != StatusOK {
		return orNothing(st)
	}
	o := offsetOwner{key: who.key()}
	if who.group {
		if o.group = t.findGroup(who.id); o.group == nil {
			return StatusOK
		}
	}
	p := t.partition(partitionID)
	if p == nil {
		return StatusOK
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	offsets, key := p.offsets(o)
	stored, ok := offsets[key]
	if !ok {
		return StatusOK
	}
	c.out = binary.LittleEndian.AppendUint32(c.out, partitionID)
	c.out = binary.LittleEndian.AppendUint64(c.out, p.currentOffset())
	c.out = binary.LittleEndian.AppendUint64(c.out, stored)
	return StatusOK
}

// deleteOffset reads `[consumer][identifier stream][identifier topic][u8 present][u32 partition]`.
func (c *conn) deleteOffset(d *decoder) Status {
	who := d.consumer()
	streamID, topicID := d.identifier(), d.identifier()
	partitionID, named := d.optionalPartition()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	s := c.server
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	t, st := c.topic(streamID, topicID, canPoll)
	if st != StatusOK {
		return st
	}
	o, p, st := c.owned(t, who, partitionID, named)
	if st != StatusOK {
		return st
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	offsets, key := p.offsets(o)
	if _, ok := offsets[key]; !ok {
		return StatusOffsetNotStored
	}
	delete(offsets, key)
	p.writeOffset(o, 0, true)
	return StatusOK
}
