package embedded

// offsetOwner says whose offsets are meant: those of a single consumer, by its key, or of a group.
type offsetOwner struct {
	key        uint32
	group      *group
	memberSlot uint32 // of the member of the group that asks
}

// offsets returns the table with the owner's offset, and its key there. It needs the partition's
// lock.
func (p *partition) offsets(who offsetOwner) (map[uint32]uint64, uint32) {
	if who.group != nil {
		return p.groupOffsets, who.group.id
	}
	return p.consumerOffsets, who.key
}

// setOffset stores an offset. It needs the partition's lock.
func (p *partition) setOffset(who offsetOwner, offset uint64) {
	offsets, key := p.offsets(who)
	offsets[key] = offset
	p.writeOffset(who, offset, false)
}

// storeOffset stores an offset and reports whether a message with it was ever stored.
func (p *partition) storeOffset(who offsetOwner, offset uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.nextOffset == 0 || offset >= p.nextOffset {
		return false
	}
	p.setOffset(who, offset)
	return true
}

// storedOffset returns the stored offset and whether there is one.
func (p *partition) storedOffset(who offsetOwner) (offset uint64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	offsets, key := p.offsets(who)
	offset, ok = offsets[key]
	return offset, ok
}

// deleteOffset deletes the stored offset and reports whether there was one.
func (p *partition) deleteOffset(who offsetOwner) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	offsets, key := p.offsets(who)
	if _, ok := offsets[key]; !ok {
		return false
	}
	delete(offsets, key)
	p.writeOffset(who, 0, true)
	return true
}

// setPolled notes the last offset that a member of a group has polled.
func (p *partition) setPolled(group uint32, offset uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.groupPolled[group] = offset
}

// clearPolled forgets what the members of a group have polled.
func (p *partition) clearPolled(group uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.groupPolled, group)
}

// polledIsCommitted reports whether the group has committed everything that it has polled.
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
