package deliver

import (
	"cmp"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
)

// assignment is the admitted messages of a queue and their states. Like all parts of a queue it is
// guarded by the queue's lock.
type assignment struct {
	queue     *Queue
	phase     Phase
	tracker   commit.Tracker
	lanes     lanes
	ready     messageList // in the states ready, retry and given back
	inFlight  messageSet  // in the state handed out
	counts    [states]int // messages by state
	delivered uint64      // the number after the last message that was handed out or given up
	limits    limits
	freed     int // room in flight to be given back with the lock
	counters  Counters
	after     actions
}

// Phase is what a queue does.
type Phase uint8

const (
	// PhaseActive takes messages and hands them out.
	PhaseActive Phase = iota
	// PhaseDraining takes nothing new, and finishes what it has.
	PhaseDraining
	// PhaseResting has drained, and what is left only waits: it hands nothing out, and a stop does
	// not wait for it.
	PhaseResting
	// PhaseLost is after Lose: the partition is not this consumer's any more.
	PhaseLost
)

// setState puts m into another state. It is the only place that does.
func (a *assignment) setState(m *Message, s state) {
	if m.state == stateInFlight {
		a.inFlight.remove(m)
		a.queue.d.pause.left(m)
	}
	a.counts[m.state]--
	a.counts[s]++
	m.state = s
	if s == stateInFlight {
		a.inFlight.add(m)
	}
}

// current tells whether m is with the application: not when it is settled, succeeded by another
// delivery, or of a lost queue.
func (a *assignment) current(m *Message) bool {
	return a.phase != PhaseLost && m.state == stateInFlight
}

// admit enters a decoded message of a batch.
func (a *assignment) admit(m *Message, b *Batch, since int64) {
	m.queue, m.batch, m.deliveries = a.queue, b, 1
	m.seq = a.tracker.Add(m.Raw.Offset, m.Raw.Timestamp, since)
	switch {
	case m.Err != nil:
		m.Key = "" // it holds up nobody
		a.setState(m, stateReady)
		a.ready.push(m)
	case a.queue.partition.dedup.repeated(m.Raw.ID):
		// Not settle: the first one may be under way still.
		a.counters.Duplicates++
		a.delivered = max(a.delivered, m.seq+1)
		a.close(m)
	case a.queue.pool.batches() || a.lanes.enter(m):
		a.setState(m, stateReady)
		a.ready.push(m)
	default:
		a.setState(m, stateBehind)
	}
}

// settle ends a message that was handled or given up, and has room in flight: it counts as
// acknowledged.
func (a *assignment) settle(m *Message) {
	a.freed++
	a.queue.partition.dedup.settled(m.Raw.ID)
	a.close(m)
}

// close ends a message.
func (a *assignment) close(m *Message) {
	a.setState(m, stateSettled)
	a.releaseMemory(m)
	if next := a.lanes.leave(m); next != nil {
		a.setState(next, stateReady)
		a.ready.push(next)
	}
	if a.tracker.Ack(m.seq) {
		a.queue.progress.Advance(a.tracker.Prefix())
	}
}

// succeed makes the next delivery of m, which is over. The new one has no memory yet.
func (a *assignment) succeed(m *Message, value bool) *Message {
	next := a.queue.pool.app.Copy(m, value)
	next.Key, next.queue, next.seq, next.lane = m.Key, m.queue, m.seq, m.lane
	next.deliveries, next.untried = m.deliveries+1, m.untried
	m.lane = nil
	a.setState(m, stateSettled)
	return next
}

// takeBack makes a message ready again, before all others, that was in a run and not begun.
func (a *assignment) takeBack(m *Message) {
	switch {
	case m.given:
		a.setState(m, stateGivenBack)
	case m.deliveries > 1:
		a.setState(m, stateRetry)
	default:
		a.setState(m, stateReady)
	}
	a.ready.unshift(m)
	a.freed++
}

// releaseMemory gives the memory of m back: its part in a batch, and what it was decompressed to.
func (a *assignment) releaseMemory(m *Message) {
	if m.batch != nil {
		a.releaseBatch(m.batch, 1)
	}
	if m.Decompressed > 0 {
		a.limits.decompressed.Give(m.Decompressed)
		m.Decompressed = 0
	}
}

// releaseBatch gives back n messages' part in a batch.
func (a *assignment) releaseBatch(b *Batch, n int) {
	if b.settled(n) {
		a.after.release(b)
	}
}

// waiting is how many messages wait for their next delivery.
func (a *assignment) waiting() int { return a.counts[stateWaiting] + a.counts[stateDue] }

// unfinished is how many messages are with the application, wait for another delivery, are on their
// way to the dead letters, or come before such ones in the log.
func (a *assignment) unfinished() int { return a.tracker.Unacknowledged(a.delivered) }

// cut forgets the messages that nobody has seen and calls forget with them. Those that were
// acknowledged or handed out behind others are the reason why some of the others stay.
func (a *assignment) cut(forget func(*Message)) {
	drop := func(m *Message) {
		forget(m)
		a.queue.partition.dedup.forget(m.Raw.ID)
		a.setState(m, stateReturned)
		a.releaseMemory(m)
	}
	a.lanes.cut(a.delivered, drop)
	a.ready.cut(a.delivered, func(m *Message) {
		a.lanes.end(m)
		drop(m)
	})
	a.tracker.Cut(a.delivered)
}

// sortReady sorts the ready messages by their numbers.
func (a *assignment) sortReady() {
	all := make([]*Message, 0, a.ready.length)
	for m := a.ready.pop(); m != nil; m = a.ready.pop() {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *Message) int { return cmp.Compare(a.seq, b.seq) })
	for _, m := range all {
		a.ready.push(m)
	}
}

// takeActions returns what is to be done when the lock is released. It is called before that.
func (a *assignment) takeActions() actions {
	if a.freed > 0 {
		a.limits.inFlight.Give(a.freed)
		a.freed = 0
	}
	after := a.after
	a.after = actions{}
	return after
}

// end forgets all messages: the assignment is lost. orphans deliveries stay in flight.
func (a *assignment) end(orphans int) {
	a.queue.partition.dedup.forgetOpen()
	a.ready, a.lanes, a.inFlight, a.freed = messageList{}, lanes{}, messageSet{}, 0
	a.limits.leave(orphans)
}
