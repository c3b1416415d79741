package embedded

import "encoding/binary"

// resolved is the owner and the partition that a request is about.
type resolved struct {
	owner     offsetOwner
	partition uint32
	// owned is false when the connection is a member of the group and does not have the partition.
	owned bool
}

// resolve finds the owner and the partition that a request is about. For a group without a
// partition it is the next one of the connection's own. With advance the request after it gets the
// one after that. It needs the catalog's lock.
func (c *conn) resolve(t *topic, r consumerPartition, advance bool) (resolved, Status) {
	if !r.consumer.group {
		return resolved{offsetOwner{key: r.consumer.key()}, r.partition.id, true}, StatusOK
	}
	if !c.server.clients.exists(c.clientID) {
		return resolved{}, StatusStaleClient
	}
	g := t.findGroup(r.consumer.id)
	if g == nil {
		return resolved{}, StatusGroupNotFound
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.memberOf(c.clientID)
	if m == nil {
		return resolved{}, StatusNotMember
	}
	o := offsetOwner{group: g, memberSlot: m.slot}
	if r.partition.present {
		return resolved{o, r.partition.id, m.owns(r.partition.id)}, StatusOK
	}
	id, ok := m.nextPartition(c.server.catalog.currentCopy(), advance)
	return resolved{o, id, ok}, StatusOK
}

// resolveOwned finds the owner and the partition whose offset a request changes.
func (c *conn) resolveOwned(t *topic, r consumerPartition) (offsetOwner, *partition, Status) {
	found, st := c.resolve(t, r, false)
	if st != StatusOK {
		return offsetOwner{}, nil, st
	}
	if !found.owned {
		return offsetOwner{}, nil, StatusNotOwner
	}
	p := t.partition(found.partition)
	if p == nil {
		return offsetOwner{}, nil, StatusPartitionNotFound
	}
	return found.owner, p, StatusOK
}

// storeOffset stores an offset, which may be lower than the stored one but not past the end. Only
// the member of a group that has the partition may store.
func (c *conn) storeOffset(t *topic, r consumerPartition, offset uint64) Status {
	who, p, st := c.resolveOwned(t, r)
	if st != StatusOK {
		return st
	}
	if !p.storeOffset(who, offset) {
		return StatusInvalidOffset
	}
	if who.group != nil {
		c.server.completeHandoverAfterCommit(t, who.group, who.memberSlot, p.id)
	}
	return StatusOK
}

// getOffset answers `[u32 partition][u64 current offset][u64 stored offset]`, or nothing when none
// is stored or the group or the partition does not exist. A client that is not a member may ask for
// the offset of a group. Without a partition it is partition 0.
func (c *conn) getOffset(t *topic, r consumerPartition, _ none) Status {
	who := offsetOwner{key: r.consumer.key()}
	if r.consumer.group {
		if who.group = t.findGroup(r.consumer.id); who.group == nil {
			return StatusOK
		}
	}
	p := t.partition(r.partition.id)
	if p == nil {
		return StatusOK
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	offsets, key := p.offsets(who)
	stored, ok := offsets[key]
	if !ok {
		return StatusOK
	}
	c.out = binary.LittleEndian.AppendUint32(c.out, p.id)
	c.out = binary.LittleEndian.AppendUint64(c.out, p.currentOffset())
	c.out = binary.LittleEndian.AppendUint64(c.out, stored)
	return StatusOK
}

// deleteOffset deletes a stored offset. The same rules as for storeOffset apply.
func (c *conn) deleteOffset(t *topic, r consumerPartition, _ none) Status {
	who, p, st := c.resolveOwned(t, r)
	if st != StatusOK {
		return st
	}
	if !p.deleteOffset(who) {
		return StatusOffsetNotStored
	}
	return StatusOK
}
