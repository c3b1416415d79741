package consumer

import (
	"sync"
	"sync/atomic"
)

// window bounds the messages that are with the application or on their way to
// it, over all partitions. Half of it is set aside in equal parts for the
// partitions, the other half goes to whom it may concern: one busy
// partition can use more than its share, and one that is stuck never takes
// the part of the others.
//
// Its lock may be taken while a partition's is held.
type inFlightLimit struct {
	mu         sync.Mutex
	limit      int
	used       int
	orphans    int // those of used that are messages of lost partitions; memory.haunted are those of one
	members    []*partition
	waiting    []*partition // those that found no room since the last release
	hasWaiters atomic.Bool  // starving is not empty
}

// free makes room of p free for its next messages, and tells whether others need it.
func (l *inFlightLimit) addFree(p *partition, n int) (hasWaiters bool) {
	p.freeInFlight.Add(int64(n))
	return l.hasWaiters.Load()
}

// members tells who shares the window.
func (l *inFlightLimit) setMembers(parts []*partition) {
	l.mu.Lock()
	l.members = parts
	l.mu.Unlock()
}

// take gives p room for up to want messages. With waits set, a p that finds
// none is remembered, and named by the next give.
func (l *inFlightLimit) reserve(p *partition, want int, waits bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.leftInFlight {
		return 0
	}
	room := l.available(p)
	if room == 0 && waits {
		// Whoever frees room looks afterwards whether someone is hungry. He may have looked already.
		l.hasWaiters.Store(true)
		if room = l.available(p); room == 0 {
			if !p.waitsInFlight.Swap(true) {
				l.waiting = append(l.waiting, p)
			}
			return 0
		}
		l.hasWaiters.Store(len(l.waiting) > 0)
	}
	granted := min(want, room)
	l.used += granted
	p.inFlightReserved += granted
	return granted
}

// room is what p may take. w.mu is held.
func (l *inFlightLimit) available(p *partition) int {
	for _, q := range l.members {
		l.reclaim(q)
	}
	room := l.limit - l.used
	if reserve := l.reservePerMember(); reserve > 0 {
		for _, q := range l.members {
			if q != p {
				room -= max(0, reserve-q.inFlightReserved-q.history.orphanedMessages)
			}
		}
	}
	return max(room, 0)
}

// reserve is what is set aside for each partition, of the window without the ghosts of
// partitions that are elsewhere now. A partition's own ghosts are in its part. w.mu is held.
func (l *inFlightLimit) reservePerMember() int {
	n := len(l.members)
	if n < 2 {
		return 0
	}
	limit := l.limit - l.orphans
	for _, q := range l.members {
		limit += q.history.orphanedMessages
	}
	r := limit / (2 * n)
	if r == 0 && limit >= n {
		r = 1
	}
	return r
}

// reclaim takes back the room of q that is free. w.mu is held.
func (l *inFlightLimit) reclaim(q *partition) {
	if q.leftInFlight {
		return
	}
	n := int(q.freeInFlight.Swap(0))
	l.used -= n
	q.inFlightReserved -= n
}

// give takes back the free room of p, and returns the partitions that may look again.
func (l *inFlightLimit) release(p *partition) []*partition {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reclaim(p)
	return l.takeWaiters()
}

// hungriest gives those who found no room. w.mu is held.
func (l *inFlightLimit) takeWaiters() []*partition {
	waiting := l.waiting
	l.waiting = nil
	l.hasWaiters.Store(false)
	for _, q := range waiting {
		q.waitsInFlight.Store(false)
	}
	return waiting
}

// leave takes p out, with all the room that it has; but for that of its ghosts.
func (l *inFlightLimit) remove(p *partition, orphans int) []*partition {
	waiting := l.release(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used += orphans - p.inFlightReserved
	l.orphans += orphans
	p.history.orphanedMessages += orphans
	p.inFlightReserved, p.leftInFlight = 0, true
	return waiting
}

// dispel takes back the room of a ghost of p, and returns the partitions that may look again.
func (l *inFlightLimit) endOrphan(p *partition) []*partition {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used--
	l.orphans--
	p.history.orphanedMessages--
	return l.takeWaiters()
}

// haunted is how many ghosts there are.
func (l *inFlightLimit) orphaned() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.orphans
}
