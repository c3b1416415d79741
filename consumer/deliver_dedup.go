package consumer

// dedup remembers the ids of the latest settled messages of a partition and of those in flight, so
// that a message that was stored twice is handled once. It outlives the assignment: what was
// acknowledged and not committed when a connection was lost is not handled again. A nil dedup
// remembers nothing.
type dedup struct {
	size int
	seen map[[16]byte]bool // true: settled
	ring [][16]byte
	next int
}

func newDedup(size int) *dedup {
	if size <= 0 {
		return nil
	}
	return &dedup{size: size, seen: make(map[[16]byte]bool)}
}

// isDuplicate reports whether id was seen, and remembers it as in flight if it was not. A message
// without an id is never a duplicate.
func (d *dedup) isDuplicate(id [16]byte) bool {
	if d == nil || id == ([16]byte{}) {
		return false
	}
	if _, ok := d.seen[id]; ok {
		return true
	}
	d.seen[id] = false
	return false
}

// settle moves id from those in flight to the settled ones, of which it forgets the oldest.
func (d *dedup) settle(id [16]byte) {
	if d == nil {
		return
	}
	if done, ok := d.seen[id]; !ok || done {
		return
	}
	d.seen[id] = true
	if len(d.ring) < d.size {
		d.ring = append(d.ring, id)
		return
	}
	delete(d.seen, d.ring[d.next])
	d.ring[d.next] = id
	d.next = (d.next + 1) % d.size
}

// forget removes an id in flight: its message will be read again.
func (d *dedup) forget(id [16]byte) {
	if d == nil {
		return
	}
	if done, ok := d.seen[id]; ok && !done {
		delete(d.seen, id)
	}
}

// forgetUnsettled removes all ids in flight.
func (d *dedup) forgetUnsettled() {
	if d == nil {
		return
	}
	for id, done := range d.seen {
		if !done {
			delete(d.seen, id)
		}
	}
}

// reset forgets everything: messages are delivered again on purpose.
func (d *dedup) reset() {
	if d == nil {
		return
	}
	clear(d.seen)
	d.ring, d.next = nil, 0
}
