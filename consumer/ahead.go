package consumer

import "sync"

// hold is what a partition holds of read messages: the number of those that are
// not in the window yet, and the bytes of answers of which a message is not settled.
type amount struct{ messages, bytes int }

func (a amount) plus(o amount) amount  { return amount{a.messages + o.messages, a.bytes + o.bytes} }
func (a amount) minus(o amount) amount { return amount{a.messages - o.messages, a.bytes - o.bytes} }

// ahead bounds what is read ahead, what polls under way may bring included.
// Half is set aside for the partitions in equal parts, as in the window. A
// partition that holds nothing may always have one message, so that
// none stops because others are stuck; that is the only way over the limit.
//
// Its lock may be taken while a partition's is held.
type prefetchLimit struct {
	mu         sync.Mutex
	limit      amount
	used       amount
	members    []*partition
	hasWaiters bool // someone found no room since the last release
}

func (l *prefetchLimit) setMembers(parts []*partition) {
	l.mu.Lock()
	l.members = parts
	l.mu.Unlock()
}

// share is one partition's part of the messages.
func (l *prefetchLimit) share() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limit.messages / max(1, len(l.members))
}

// take reserves room for a poll that may bring want; less is given when there
// is less, and nothing when there are not even least bytes, so that p must wait.
func (l *prefetchLimit) reserve(p *partition, want amount, least int) amount {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.leftPrefetch {
		return amount{}
	}
	room := l.limit.minus(l.used)
	if n := len(l.members); n > 1 {
		reserve := amount{l.limit.messages / (2 * n), l.limit.bytes / (2 * n)}
		for _, q := range l.members {
			if q != p {
				room.messages -= max(0, reserve.messages-q.prefetchReserved.messages)
				room.bytes -= max(0, reserve.bytes-q.prefetchReserved.bytes)
			}
		}
	}
	granted := amount{min(want.messages, room.messages), min(want.bytes, room.bytes)}
	if p.prefetchReserved == (amount{}) {
		granted.messages, granted.bytes = max(granted.messages, 1), max(granted.bytes, 1)
	}
	if granted.messages <= 0 || granted.bytes <= 0 || granted.bytes < least && p.prefetchReserved != (amount{}) {
		l.hasWaiters = true
		return amount{}
	}
	l.used, p.prefetchReserved = l.used.plus(granted), p.prefetchReserved.plus(granted)
	return granted
}

// settle replaces a reservation by what really came.
func (l *prefetchLimit) adjust(p *partition, reserved, arrived amount) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !p.leftPrefetch {
		l.used = l.used.plus(arrived).minus(reserved)
		p.prefetchReserved = p.prefetchReserved.plus(arrived).minus(reserved)
	}
}

// give releases what p held, and tells whether someone waits for that.
func (l *prefetchLimit) release(p *partition, a amount) (wanted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !p.leftPrefetch {
		l.used, p.prefetchReserved = l.used.minus(a), p.prefetchReserved.minus(a)
	}
	wanted, l.hasWaiters = l.hasWaiters, false
	return wanted
}

// leave takes p out, with all that it holds.
func (l *prefetchLimit) remove(p *partition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used = l.used.minus(p.prefetchReserved)
	p.prefetchReserved, p.leftPrefetch = amount{}, true
	l.hasWaiters = false
}

// inUse is what is held now.
func (l *prefetchLimit) inUse() amount {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.used
}
