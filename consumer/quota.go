package consumer

import (
	"sync"
	"sync/atomic"
)

// quota is a limit that the assigned partitions share fairly. One half is reserved for them in equal
// parts, the other half goes to whoever asks first: a busy partition can use more than its part,
// and one that is stuck never takes the part of another.
//
// A consumer has three: for the messages in flight, for what is prefetched and for the bytes of
// decompressed payloads. A quota's lock may be taken while a partition's lock is held.
type quota struct {
	mu         sync.Mutex
	limit      int
	used       int
	orphaned   int // of used: what orphaned deliveries hold, see quotaShare.orphaned
	members    []*quotaShare
	waiters    []*quotaShare // those that found no room since the last release
	hasWaiters atomic.Bool   // waiters is not empty, or someone is about to wait
}

// quotaShare is the part of one assigned partition in a quota. Its fields are guarded by the lock of
// the quota, except for the atomic ones.
type quotaShare struct {
	used    int
	removed bool
	// orphaned is what the orphaned deliveries of this partition hold. It outlives the assignment.
	// Nil where the quota has none.
	orphaned *int
	// wake is called by whoever releases room that this partition waits for. Nil: nobody is woken.
	wake func()
	// free is room that the partition holds and does not use. The partition uses it first, and the
	// quota reclaims it when another partition needs it.
	free    atomic.Int64
	waiting atomic.Bool
}

// quotaRequest is what a partition asks of a quota.
type quotaRequest struct {
	want  int
	least int // grants less than that are refused
	// whenEmpty is what a partition that holds nothing gets in any case, so that none stops because
	// others are stuck. It is the only way to exceed the limit.
	whenEmpty int
	noWait    bool // a refused partition is not remembered
}

// setMembers sets who shares the quota.
func (q *quota) setMembers(members []*quotaShare) {
	q.mu.Lock()
	q.members = members
	q.mu.Unlock()
}

// equalShare is the limit divided by the number of members.
func (q *quota) equalShare() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.limit / max(1, len(q.members))
}

// reserve grants s up to what it wants; 0 when it is refused. A refused partition is among those
// that the next release returns.
func (q *quota) reserve(s *quotaShare, r quotaRequest) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.removed {
		return 0
	}
	granted := q.grant(s, r)
	if granted == 0 && !r.noWait {
		// Whoever frees room looks at hasWaiters afterwards, and may have looked already: so look again.
		q.hasWaiters.Store(true)
		if granted = q.grant(s, r); granted == 0 {
			if !s.waiting.Swap(true) {
				q.waiters = append(q.waiters, s)
			}
			return 0
		}
		q.hasWaiters.Store(len(q.waiters) > 0)
	}
	q.used += granted
	s.used += granted
	return granted
}

// grant is what reserve may give to s now. q.mu is held.
func (q *quota) grant(s *quotaShare, r quotaRequest) int {
	granted := min(r.want, q.available(s))
	if s.used == 0 {
		granted = max(granted, r.whenEmpty)
	}
	if granted < max(r.least, 1) {
		return 0
	}
	return granted
}

// available is the room that s may take. q.mu is held.
func (q *quota) available(s *quotaShare) int {
	for _, m := range q.members {
		q.reclaim(m)
	}
	room := q.limit - q.used
	if reserved := q.reservePerMember(); reserved > 0 {
		for _, m := range q.members {
			if m != s {
				room -= max(0, reserved-m.used-m.orphans())
			}
		}
	}
	return max(room, 0)
}

// reservePerMember is what is reserved for each member, out of the limit without the orphaned
// deliveries of partitions that are assigned elsewhere now. Those of a member count as its own part.
// q.mu is held.
func (q *quota) reservePerMember() int {
	n := len(q.members)
	if n < 2 {
		return 0
	}
	limit := q.limit - q.orphaned
	for _, m := range q.members {
		limit += m.orphans()
	}
	reserved := limit / (2 * n)
	if reserved == 0 && limit >= n {
		reserved = 1
	}
	return reserved
}

func (s *quotaShare) orphans() int {
	if s.orphaned == nil {
		return 0
	}
	return *s.orphaned
}

// reclaim takes back the room that s holds and does not use. q.mu is held.
func (q *quota) reclaim(s *quotaShare) {
	if s.removed {
		return
	}
	n := int(s.free.Swap(0))
	q.used -= n
	s.used -= n
}

// keepFree leaves n of what s holds to its next use, and reports whether others wait for it: then
// the caller calls releaseFree.
func (q *quota) keepFree(s *quotaShare, n int) (wanted bool) {
	s.free.Add(int64(n))
	return q.hasWaiters.Load()
}

// releaseFree takes back what s holds and does not use, and returns those to be woken.
func (q *quota) releaseFree(s *quotaShare) []*quotaShare {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reclaim(s)
	return q.takeWaiters()
}

// release takes back n of what s holds, and returns those to be woken. A negative n takes more,
// whether or not there is room.
func (q *quota) release(s *quotaShare, n int) []*quotaShare {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.change(s, -n)
	return q.takeWaiters()
}

// adjust changes what s holds by n and wakes nobody.
func (q *quota) adjust(s *quotaShare, n int) {
	q.mu.Lock()
	q.change(s, n)
	q.mu.Unlock()
}

// change adds n to what s holds. q.mu is held.
func (q *quota) change(s *quotaShare, n int) {
	if !s.removed {
		q.used += n
		s.used += n
	}
}

// remove takes back all that s holds except for its orphaned deliveries, and returns those to be
// woken. Nothing is granted to s any more.
func (q *quota) remove(s *quotaShare, orphaned int) []*quotaShare {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reclaim(s)
	q.used += orphaned - s.used
	if s.orphaned != nil {
		q.orphaned += orphaned
		*s.orphaned += orphaned
	}
	s.used, s.removed = 0, true
	return q.takeWaiters()
}

// endOrphan takes back the room of one orphaned delivery of s, and returns those to be woken.
func (q *quota) endOrphan(s *quotaShare) []*quotaShare {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used--
	q.orphaned--
	*s.orphaned--
	return q.takeWaiters()
}

// takeWaiters returns those that found no room, and forgets them. q.mu is held.
func (q *quota) takeWaiters() []*quotaShare {
	waiters := q.waiters
	q.waiters = nil
	q.hasWaiters.Store(false)
	for _, s := range waiters {
		s.waiting.Store(false)
	}
	return waiters
}

// inUse is how much of the limit is taken.
func (q *quota) inUse() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.used
}

// orphans is how much of the limit orphaned deliveries hold.
func (q *quota) orphans() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.orphaned
}

// wakeAll wakes those that a release returned.
func wakeAll(waiters []*quotaShare) {
	for _, s := range waiters {
		s.wake()
	}
}
