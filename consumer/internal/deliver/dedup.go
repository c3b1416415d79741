package deliver

// dedup remembers the ids of the latest messages of a partition that were settled, and of those
// that are not, so that a message which the producer stored twice is handled once. It outlives the
// assignment: what was acknowledged and not committed before a lost connection is not handled again
// after it. It is guarded by the lock of the partition's present queue. A nil dedup remembers
// nothing.
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

// repeated reports whether id was seen, and remembers it as not settled otherwise. A message
// without an id is never a repetition.
func (d *dedup) repeated(id [16]byte) bool {
	if d == nil || id == ([16]byte{}) {
		return false
	}
	if _, ok := d.seen[id]; ok {
		return true
	}
	d.seen[id] = false
	return false
}

// settled remembers id as settled, and forgets the oldest of those.
func (d *dedup) settled(id [16]byte) {
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

// forget removes an id that is not settled: its message will be read again.
func (d *dedup) forget(id [16]byte) {
	if d == nil {
		return
	}
	if done, ok := d.seen[id]; ok && !done {
		delete(d.seen, id)
	}
}

// forgetOpen removes all ids that are not settled.
func (d *dedup) forgetOpen() {
	if d == nil {
		return
	}
	for id, done := range d.seen {
		if !done {
			delete(d.seen, id)
		}
	}
}

// reset forgets everything: the partition is read again on purpose.
func (d *dedup) reset() {
	if d == nil {
		return
	}
	clear(d.seen)
	d.ring, d.next = nil, 0
}
