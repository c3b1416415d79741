package consumer

import (
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// mayTakeIn tells whether messages may go from the buffer to the window, room
// there aside. p.mu is held.
func (p *partition) mayTakeIn() bool {
	return len(p.buffer) > 0 && !p.intaking && p.blocked == 0 && p.stopped == nil &&
		(p.phase == phaseActive && !p.paused || p.phase == phaseDraining && p.e.onPoll) &&
		!p.starving.Load() && !p.cramped.Load() && p.memory.ghosts.Load() == 0 && p.mayDeliver()
}

// mayDeliver holds the promise about duplicates: no more messages than are in
// flight and commit_every together are ever delivered ahead of the stored
// offset. p.mu is held.
func (p *partition) mayDeliver() bool {
	if !p.e.commits || p.e.onPoll {
		return true
	}
	if p.tracker.tail-p.settledHead < uint64(p.e.cfg.MaxInFlight+p.e.commitEvery) {
		return true
	}
	if p.tracker.head > p.settledHead {
		p.wantCommit()
	}
	return false
}

// chunk is how many messages are decoded at a time: while they are, others wait.
const chunk = 128

// takeIn moves up to most messages from the buffer into the window, and tells
// whether anything changed. p.mu is held, and released while they are decoded.
func (p *partition) takeIn(most int) bool {
	if !p.mayTakeIn() {
		return false
	}
	a := p.buffer[0]
	n := min(len(a.rest), most)
	if p.e.commits && !p.e.onPoll {
		n = min(n, p.e.cfg.MaxInFlight+p.e.commitEvery-int(p.tracker.tail-p.settledHead))
	}
	if n = p.makeRoom(n); n == 0 {
		return false
	}
	roomy, reserved := p.unpackable(a.rest[:n])
	if roomy < n {
		p.free(n - roomy)
		if n = roomy; n == 0 {
			return false
		}
	}
	raw := a.rest[:n:n]
	if a.rest = a.rest[n:]; len(a.rest) == 0 {
		p.buffer[0] = nil
		p.buffer = p.buffer[1:]
	}
	p.buffered -= n
	p.intaking, p.taking = true, raw[0].Offset
	wanted := p.e.ahead.give(p, hold{messages: n})
	wanted = p.wantsMore() || wanted
	scratch := p.scratch
	p.mu.Unlock()

	if wanted {
		p.e.fetchMore()
	}
	since := time.Now().UnixNano()
	var messages []*message
	decoded := false
	defer func() {
		if !decoded {
			// The codec ended this goroutine. What it was given counts as
			// undecodable, and the others are admitted before the goroutine is gone.
			p.takenIn(a, raw, p.e.decodeApart(raw, scratch[:0]), reserved, since)
		}
	}()
	if p.e.apart {
		messages = p.e.decodeApart(raw, scratch[:0])
	} else {
		messages = p.e.typed.decode(raw, scratch[:0])
	}
	decoded = true
	p.takenIn(a, raw, messages, reserved, since)
	return true
}

// takenIn enters decoded messages, with the room for decompressed payloads that was
// reserved for them. It takes p.mu, and leaves it held.
func (p *partition) takenIn(a *answer, raw []wire.Message, messages []*message, reserved int, since int64) {
	n := len(raw)
	p.mu.Lock()
	if reserved > 0 {
		p.shrink(reserved - messages[0].unpacked)
	}
	p.scratch = messages
	defer clear(messages)
	forsaken := p.forsaken
	p.intaking, p.forsaken = false, false
	switch {
	case p.phase == phaseLost:
	case forsaken:
		// Nobody has seen them, and they are fetched again.
		p.free(n)
		p.release(a, n)
		for _, r := range messages {
			p.shrink(r.unpacked)
		}
		p.drained()
	default:
		for _, r := range messages {
			p.admit(r, a, since)
		}
	}
}

// admit enters a decoded message into the window. p.mu is held.
func (p *partition) admit(r *message, a *answer, since int64) {
	r.part, r.answer = p, a
	r.seq = p.tracker.add(r.raw.Offset, r.raw.Timestamp, since)
	if p.memory.before.stamp == 0 {
		p.memory.before = handled{stamp: r.raw.Timestamp, below: r.raw.Offset}
	}
	switch {
	case r.cause != nil:
		p.tally.undecodable++
		p.given = max(p.given, r.seq+1)
		p.bury(r, r.cause)
	case p.memory.dedup.repeated(r.raw.ID):
		// Not p.finish: the first one may be in hand still.
		p.tally.duplicates++
		p.given = max(p.given, r.seq+1)
		p.close(r)
	case p.e.batches:
		p.run.push(r)
	default:
		if p.lanes.enter(r) {
			p.run.push(r)
		}
	}
}

// makeRoom takes room in the window for up to want messages. p.mu is held.
func (p *partition) makeRoom(want int) int {
	room := int(p.slack.Swap(0))
	if room < want {
		room += p.e.window.take(p, want-room, room == 0)
	}
	if room > want {
		p.free(room - want)
	}
	return min(room, want)
}
