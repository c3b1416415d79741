package quota

import (
	"sync"
	"sync/atomic"
)

// Quota is a limit that its members share. It is safe for concurrent use.
type Quota struct {
	limit int
	// contended tells that members wait or one claims: then a member gives units back at once, and
	// does not keep them.
	contended atomic.Bool

	mu          sync.Mutex
	used        int // by members, including what they have cached, and by orphaned units
	orphaned    int // those of used that members left behind
	reserve     int // what is reserved for each member
	reserveLeft int // the sum of what is reserved and not used
	members     []*Member
	waiting     []*Member // those that were refused since units were given back last
	claimant    *Member   // waits in TakeAll, before all others
}

// New returns a quota of limit units.
func New(limit int) *Quota { return &Quota{limit: limit} }

// SetMembers says which members share the quota from now on. What the others still hold counts
// until they give it back. Those that waited are woken: their parts may have grown.
func (q *Quota) SetMembers(members ...*Member) {
	q.mu.Lock()
	for _, m := range q.members {
		m.sharing = false
	}
	q.members = append(q.members[:0:0], members...)
	for _, m := range q.members {
		m.sharing = !m.left
	}
	q.recompute()
	woken := q.takeWaiting()
	q.mu.Unlock()
	wake(woken)
}

// Used returns how many units are taken, orphaned ones included.
func (q *Quota) Used() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.collect()
	return q.used
}

// Orphaned returns how many units former members have left behind.
func (q *Quota) Orphaned() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.orphaned
}

// recompute computes the parts of the members. q.mu is held.
func (q *Quota) recompute() {
	q.reserve, q.reserveLeft = q.part(), 0
	for _, m := range q.members {
		q.reserveLeft += m.reserveLeft()
	}
}

// part is what is reserved for each member: of the limit without the orphaned units of partitions
// that have no member now. A partition's own orphaned units are in its part. q.mu is held.
func (q *Quota) part() int {
	n := len(q.members)
	if n < 2 {
		return 0
	}
	limit := q.limit - q.orphaned
	for _, m := range q.members {
		limit += m.predecessors.orphaned
	}
	part := limit / (2 * n)
	if part == 0 && limit >= n {
		part = 1
	}
	return max(part, 0)
}

// room is what m may take. q.mu is held.
func (q *Quota) room(m *Member) int {
	room := q.limit - q.used - (q.reserveLeft - m.reserveLeft())
	if q.claimant != nil && q.claimant != m {
		room = min(room, m.reserveLeft())
	}
	return max(room, 0)
}

// most is what m could hold at best: all that is neither reserved for others nor orphaned. q.mu is
// held.
func (q *Quota) most(m *Member) int {
	most := q.limit - q.orphaned
	for _, other := range q.members {
		if other != m {
			most -= max(0, q.reserve-other.predecessors.orphaned)
		}
	}
	return most
}

// collect takes back what members have cached. q.mu is held.
func (q *Quota) collect() {
	for _, m := range q.members {
		m.collect()
	}
}

// wait has m woken when units are given back. q.mu is held.
func (q *Quota) wait(m *Member) {
	q.contended.Store(true)
	if !m.waiting.Swap(true) {
		q.waiting = append(q.waiting, m)
	}
}

// takeWaiting returns the members to be woken. q.mu is held.
func (q *Quota) takeWaiting() []*Member {
	woken := q.waiting
	q.waiting = nil
	for _, m := range woken {
		m.waiting.Store(false)
	}
	q.contended.Store(q.claimant != nil)
	return woken
}

// wake calls the members that may try again. No lock of the quota is held.
func wake(members []*Member) {
	for _, m := range members {
		if m.wake != nil {
			m.wake()
		}
	}
}
