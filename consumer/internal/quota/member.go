package quota

import "sync/atomic"

// Member is an assignment of a partition that shares a quota. It is safe for concurrent use.
type Member struct {
	quota    *Quota
	wake     func()
	overdraw bool
	waiting  atomic.Bool // it was refused, and wake will be called
	// cached is what was given back and stays with the member until others need it, so that the member
	// can take it without the lock.
	cached atomic.Int64

	// Guarded by the quota's lock.
	predecessors *predecessors
	used         int // including cached
	sharing      bool
	left         bool
}

// predecessors is what former members of a partition left behind. The members of the partition,
// which succeed each other, share it.
type predecessors struct {
	orphaned int
}

// Option changes a Member while NewMember makes it.
type Option func(*Member)

// Overdraw lets the member take the least that it asks for whenever it holds nothing, also beyond
// the limit. So no member stops because others are stuck; each member may exceed the limit by one
// such piece.
func Overdraw() Option { return func(m *Member) { m.overdraw = true } }

// Succeeding makes the member the next one of the same partition: what former left behind orphaned
// counts as a part of what is reserved for the new one. A nil former is allowed.
func Succeeding(former *Member) Option {
	return func(m *Member) {
		if former != nil {
			m.predecessors = former.predecessors
		}
	}
}

// NewMember returns a member that has no part until SetMembers names it. After a refusal wake is
// called once when there may be room, by the goroutine that gave units back and without a lock of
// the quota; it must not block.
func (q *Quota) NewMember(wake func(), opts ...Option) *Member {
	m := &Member{quota: q, wake: wake, predecessors: &predecessors{}}
	for _, opt := range opts {
		opt(m)
	}
	return m
}

// Take takes between least and want units, or none, and returns how many. After a 0 wake is called
// when there may be room.
func (m *Member) Take(want, least int) int {
	cached := int(m.cached.Swap(0))
	if cached >= want {
		if cached > want {
			m.cached.Add(int64(cached - want))
		}
		return want
	}
	if cached > 0 {
		m.cached.Add(int64(cached))
	}
	q := m.quota
	q.mu.Lock()
	defer q.mu.Unlock()
	return m.take(want, least)
}

// take is Take. The quota's lock is held.
func (m *Member) take(want, least int) int {
	q := m.quota
	if m.left || want <= 0 {
		return 0
	}
	m.collect()
	room := q.room(m)
	if room < want {
		q.collect()
		room = q.room(m)
	}
	if room < least && !(m.overdraw && m.used == 0) {
		// A member that gives units back checks afterwards whether another one waits, and may have
		// done so before this one began to wait.
		q.wait(m)
		q.collect()
		if room = q.room(m); room < least {
			return 0
		}
		m.stopWaiting()
	}
	got := min(want, max(room, least))
	if room < least { // overdrawn
		got = least
	}
	m.add(got)
	return got
}

// TakeAll takes want units, or as many of them as the member could hold at best, or none. From a
// refusal until the member gets them, other members get no more than what is reserved for them, so
// that it does not wait for ever; wake is called when there may be room.
func (m *Member) TakeAll(want int) int {
	q := m.quota
	q.mu.Lock()
	if m.left || want <= 0 {
		q.mu.Unlock()
		return 0
	}
	q.collect()
	want = max(1, min(want, q.most(m)))
	got := 0
	if q.room(m) >= want {
		got = want
		m.add(got)
	} else {
		if q.claimant == nil {
			q.claimant = m
		}
		q.wait(m)
		q.collect()
		if q.room(m) >= want {
			got = want
			m.add(got)
			m.stopWaiting()
		}
	}
	var woken []*Member
	if got > 0 && q.claimant == m {
		q.claimant = nil
		woken = q.takeWaiting()
	}
	q.mu.Unlock()
	wake(woken)
	return got
}

// TryTake takes up to want units and returns how many. After a refusal wake is not called.
func (m *Member) TryTake(want int) int {
	q := m.quota
	q.mu.Lock()
	defer q.mu.Unlock()
	if m.left {
		return 0
	}
	q.collect()
	got := min(want, q.room(m))
	m.add(got)
	return got
}

// Unclaim ends the claim of a refused TakeAll: other members get what is not reserved again.
func (m *Member) Unclaim() {
	q := m.quota
	if !q.contended.Load() {
		return
	}
	q.mu.Lock()
	var woken []*Member
	if q.claimant == m {
		q.claimant = nil
		woken = q.takeWaiting()
	}
	q.mu.Unlock()
	wake(woken)
}

// Force takes n units whether there is room or not.
func (m *Member) Force(n int) {
	q := m.quota
	q.mu.Lock()
	defer q.mu.Unlock()
	if !m.left {
		m.add(n)
	}
}

// HasRoom reports whether Take would succeed now. When it is false, wake is called when there may
// be room.
func (m *Member) HasRoom() bool {
	q := m.quota
	q.mu.Lock()
	defer q.mu.Unlock()
	if m.left {
		return false
	}
	if q.room(m) > 0 {
		return true
	}
	q.wait(m)
	q.collect()
	if q.room(m) == 0 {
		return false
	}
	m.stopWaiting()
	return true
}

// Waiting reports whether the member was refused and wake was not called since.
func (m *Member) Waiting() bool { return m.waiting.Load() }

// Give gives n units back. A negative n is Force of as many.
func (m *Member) Give(n int) {
	switch {
	case n == 0:
		return
	case n < 0:
		m.Force(-n)
		return
	}
	m.cached.Add(int64(n))
	if m.quota.contended.Load() {
		m.giveBack()
	}
}

// Return gives back at once what the member has cached.
func (m *Member) Return() {
	if m.cached.Load() > 0 { // otherwise there is no more room than before
		m.giveBack()
	}
}

// giveBack gives back what the member has cached, and wakes the waiting members, also if the quota
// has collected it meanwhile.
func (m *Member) giveBack() {
	q := m.quota
	q.mu.Lock()
	m.collect()
	woken := q.takeWaiting()
	q.mu.Unlock()
	wake(woken)
}

// Leave ends the membership. All that the member holds is given back, except for orphaned units,
// which count until GiveOrphaned. Later calls of the other methods have no effect.
func (m *Member) Leave(orphaned int) {
	q := m.quota
	q.mu.Lock()
	if m.left {
		q.mu.Unlock()
		return
	}
	m.collect()
	m.add(-m.used)
	m.left = true
	q.used += orphaned
	q.orphaned += orphaned
	m.predecessors.orphaned += orphaned
	if q.claimant == m {
		q.claimant = nil
	}
	q.recompute()
	woken := q.takeWaiting()
	q.mu.Unlock()
	wake(woken)
}

// GiveOrphaned gives n of the orphaned units back that this member left behind.
func (m *Member) GiveOrphaned(n int) {
	q := m.quota
	q.mu.Lock()
	q.used -= n
	q.orphaned -= n
	m.predecessors.orphaned -= n
	q.recompute()
	woken := q.takeWaiting()
	q.mu.Unlock()
	wake(woken)
}

// reserveLeft is what is reserved for the member and not used. The quota's lock is held.
func (m *Member) reserveLeft() int {
	if !m.sharing || m.left {
		return 0
	}
	return max(0, m.quota.reserve-m.used-m.predecessors.orphaned)
}

// add changes what the member uses. The quota's lock is held.
func (m *Member) add(n int) {
	q := m.quota
	q.reserveLeft -= m.reserveLeft()
	m.used += n
	q.used += n
	q.reserveLeft += m.reserveLeft()
}

// collect takes back what the member has cached. The quota's lock is held.
func (m *Member) collect() {
	if m.left || m.cached.Load() == 0 {
		return
	}
	m.add(-int(m.cached.Swap(0)))
}

// stopWaiting removes the member from those that wait. The quota's lock is held.
func (m *Member) stopWaiting() {
	q := m.quota
	m.waiting.Store(false)
	for i, w := range q.waiting {
		if w == m {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			break
		}
	}
	q.contended.Store(len(q.waiting) > 0 || q.claimant != nil)
}
