package consumer

import "sync"

// hold is what a partition holds of read messages: the number of those that are
// not in the window yet, and the bytes of answers of which a message is not settled.
type hold struct{ messages, bytes int }

func (h hold) plus(o hold) hold  { return hold{h.messages + o.messages, h.bytes + o.bytes} }
func (h hold) minus(o hold) hold { return hold{h.messages - o.messages, h.bytes - o.bytes} }

// ahead bounds what is read ahead, what polls under way may bring included.
// Half is set aside for the partitions in equal parts, as in the window. A
// partition that holds nothing may always have one message, so that
// none stops because others are stuck; that is the only way over the limit.
//
// Its lock may be taken while a partition's is held.
type ahead struct {
	mu    sync.Mutex
	limit hold
	used  hold
	parts []*partition
	full  bool // someone found no room since the last release
}

func (a *ahead) members(parts []*partition) {
	a.mu.Lock()
	a.parts = parts
	a.mu.Unlock()
}

// share is one partition's part of the messages.
func (a *ahead) share() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limit.messages / max(1, len(a.parts))
}

// take reserves room for a poll that may bring want; less is given when there
// is less, and nothing when there are not even least bytes, so that p must wait.
func (a *ahead) take(p *partition, want hold, least int) hold {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.outOfAhead {
		return hold{}
	}
	room := a.limit.minus(a.used)
	if n := len(a.parts); n > 1 {
		reserve := hold{a.limit.messages / (2 * n), a.limit.bytes / (2 * n)}
		for _, q := range a.parts {
			if q != p {
				room.messages -= max(0, reserve.messages-q.held.messages)
				room.bytes -= max(0, reserve.bytes-q.held.bytes)
			}
		}
	}
	got := hold{min(want.messages, room.messages), min(want.bytes, room.bytes)}
	if p.held == (hold{}) {
		got.messages, got.bytes = max(got.messages, 1), max(got.bytes, 1)
	}
	if got.messages <= 0 || got.bytes <= 0 || got.bytes < least && p.held != (hold{}) {
		a.full = true
		return hold{}
	}
	a.used, p.held = a.used.plus(got), p.held.plus(got)
	return got
}

// settle replaces a reservation by what really came.
func (a *ahead) settle(p *partition, reserved, came hold) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !p.outOfAhead {
		a.used = a.used.plus(came).minus(reserved)
		p.held = p.held.plus(came).minus(reserved)
	}
}

// give releases what p held, and tells whether someone waits for that.
func (a *ahead) give(p *partition, h hold) (wanted bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !p.outOfAhead {
		a.used, p.held = a.used.minus(h), p.held.minus(h)
	}
	wanted, a.full = a.full, false
	return wanted
}

// leave takes p out, with all that it holds.
func (a *ahead) leave(p *partition) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used = a.used.minus(p.held)
	p.held, p.outOfAhead = hold{}, true
	a.full = false
}

// inUse is what is held now.
func (a *ahead) inUse() hold {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used
}
