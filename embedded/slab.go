package embedded

// slab stores values under small numbers. The number that was freed last is given next, as on the
// real server, so that the ids of streams, topics, groups and users are equal to its ids. It is not
// safe for concurrent use.
type slab[T any] struct {
	slots []*T
	free  []uint32
}

func (s *slab[T]) insert(v *T) uint32 {
	if n := len(s.free); n > 0 {
		id := s.free[n-1]
		s.free = s.free[:n-1]
		s.slots[id] = v
		return id
	}
	s.slots = append(s.slots, v)
	return uint32(len(s.slots) - 1)
}

func (s *slab[T]) get(id uint32) *T {
	if uint64(id) >= uint64(len(s.slots)) {
		return nil
	}
	return s.slots[id]
}

func (s *slab[T]) remove(id uint32) {
	if s.get(id) == nil {
		return
	}
	s.slots[id] = nil
	s.free = append(s.free, id)
}

func (s *slab[T]) len() int { return len(s.slots) - len(s.free) }

// each calls f in ascending order of the numbers.
func (s *slab[T]) each(f func(id uint32, v *T)) {
	for id, v := range s.slots {
		if v != nil {
			f(uint32(id), v)
		}
	}
}

// maxSlabID bounds the numbers that insertAt accepts, so that a damaged file can't make it allocate
// without limit.
const maxSlabID = 1 << 24

// insertAt inserts a value under a given number and reports whether the number was free. The caller
// must call setFree before the next insert.
func (s *slab[T]) insertAt(id uint32, v *T) bool {
	if id >= maxSlabID || s.get(id) != nil {
		return false
	}
	for uint32(len(s.slots)) <= id {
		s.slots = append(s.slots, nil)
	}
	s.slots[id] = v
	return true
}

// setFree sets the order in which free numbers are given, the last one first. Numbers that are not
// free are ignored. Free numbers that are missing in order are given after the others.
func (s *slab[T]) setFree(order []uint32) {
	for _, id := range order {
		for id < maxSlabID && uint32(len(s.slots)) <= id {
			s.slots = append(s.slots, nil)
		}
	}
	listed := map[uint32]bool{}
	var free []uint32
	for _, id := range order {
		if uint64(id) < uint64(len(s.slots)) && s.slots[id] == nil && !listed[id] {
			listed[id] = true
			free = append(free, id)
		}
	}
	s.free = nil
	for id := range s.slots {
		if s.slots[id] == nil && !listed[uint32(id)] {
			s.free = append(s.free, uint32(id))
		}
	}
	s.free = append(s.free, free...)
}
