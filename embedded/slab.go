package embedded

// slab hands out small numbers as ids: the number freed last is the next one given, as the real server does it, so
// that the ids of streams, topics, groups and users come out equal. It is not safe for concurrent use.
type slab[T any] struct {
	slots []*T
	free  []uint32
}

// next is the id that the next insert will give.
func (s *slab[T]) next() uint32 {
	if n := len(s.free); n > 0 {
		return s.free[n-1]
	}
	return uint32(len(s.slots))
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

// each calls f in ascending order of the ids.
func (s *slab[T]) each(f func(id uint32, v *T)) {
	for id, v := range s.slots {
		if v != nil {
			f(uint32(id), v)
		}
	}
}
