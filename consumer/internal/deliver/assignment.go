package deliver

import (
	"cmp"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
)

// assignment is the admitted messages of a queue and their states. The queue's lock guards it.
type assignment struct {
	queue     *Queue
	phase     Phase
	tracker   commit.Tracker
	lanes     lanes
	ready     messageList // in the states ready, retry and given back
	inFlight  messageSet  // in the state in flight
	counts    [states]int // messages by state
	delivered uint64      // the number after the last message that was delivered or given up
	limits    limits
	freed     int  // room in flight that takeActions gives back
	advanced  bool // the acknowledged prefix has grown since advance
	counters  Counters
	after     actions
}

// Phase is the phase of a queue.
type Phase uint8

const (
	// PhaseActive admits and delivers messages.
	PhaseActive Phase = iota
	// PhaseDraining admits nothing new, and waits for the messages in flight.
	PhaseDraining
	// PhaseIdle is drained except for messages that wait for redelivery: it delivers nothing, and
	// neither a handover nor a stop waits for them.
	PhaseIdle
	// PhaseLost is after Lose or Discard: the assignment has ended.
	PhaseLost
)

// setState changes the state of a message. It is the only place that does.
func (a *assignment) setState(m *Message, s state) {
	if m.state == stateInFlight {
		a.inFlight.remove(m)
		a.queue.d.suspension.notInFlight(m)
	}
	a.counts[m.state]--
	a.counts[s]++
	m.state = s
	if s == stateInFlight {
		a.inFlight.add(m)
	}
}

// current reports whether m is in flight, and neither settled nor of a lost queue.
func (a *assignment) current(m *Message) bool {
	return a.phase != PhaseLost && m.state == stateInFlight
}

// admit adds a decoded message of a batch.
func (a *assignment) admit(m *Message, b *Batch, since int64) {
	m.queue, m.batch, m.deliveries = a.queue, b, 1
	if m.Parked != nil {
		m.deliveries += int32(m.Parked.Attempts)
	}
	m.seq = a.tracker.Add(m.Raw.Offset, m.Raw.Timestamp, since)
	switch {
	case m.Foreign:
		a.delivered = max(a.delivered, m.seq+1)
		a.endMessage(m)
	case m.Err != nil:
		m.Key = "" // no message waits behind it
		a.setState(m, stateReady)
		a.ready.push(m)
	case a.queue.partition.dedup.repeated(m.Raw.ID):
		// The id does not count as settled: the first message with it may still be in flight.
		a.counters.Duplicates++
		a.delivered = max(a.delivered, m.seq+1)
		a.endMessage(m)
	case a.queue.pool.batches() || a.queue.parked() || a.lanes.enter(m):
		a.setState(m, stateReady)
		a.ready.push(m)
	default:
		a.setState(m, stateBehind)
	}
}

// settle ends a message in flight that was acknowledged or given up.
func (a *assignment) settle(m *Message) {
	a.freed++
	a.queue.partition.dedup.settled(m.Raw.ID)
	a.endMessage(m)
}

// endMessage ends a message, and makes the next one of its key ready.
func (a *assignment) endMessage(m *Message) {
	a.setState(m, stateSettled)
	a.releaseMemory(m)
	if next := a.lanes.leave(m); next != nil {
		a.setState(next, stateReady)
		a.ready.push(next)
	}
	if a.tracker.Ack(m.seq) {
		a.advanced = true
	}
}

// advance tells the commit side if the acknowledged prefix has grown: once for all messages that were
// settled under one lock.
func (a *assignment) advance() {
	if a.advanced {
		a.advanced = false
		a.queue.progress.Advance(a.tracker.Prefix())
	}
}

// nextDelivery returns the next delivery of m, whose present one ends. It has no memory yet.
func (a *assignment) nextDelivery(m *Message, value bool) *Message {
	next := a.queue.pool.app.Copy(m, value)
	next.Key, next.queue, next.seq, next.lane, next.Parked = m.Key, m.queue, m.seq, m.lane, m.Parked
	next.deliveries, next.uncounted = m.deliveries+1, m.uncounted
	m.lane = nil
	a.setState(m, stateSettled)
	return next
}

// takeBack makes a message of a run that was not begun ready again, before all others.
func (a *assignment) takeBack(m *Message) {
	switch {
	case m.givenBack:
		a.setState(m, stateGivenBack)
	case m.deliveries > 1:
		a.setState(m, stateRetry)
	default:
		a.setState(m, stateReady)
	}
	a.ready.unshift(m)
	a.freed++
}

// waiting returns how many messages wait for redelivery.
func (a *assignment) waiting() int { return a.counts[stateWaiting] + a.counts[stateDue] }

// unfinished returns how many messages are in flight, wait for redelivery, are being written to the
// dead letters, or precede such ones in the log and are not acknowledged.
func (a *assignment) unfinished() int { return a.tracker.Unacknowledged(a.delivered) }

// cut forgets the messages behind the last one that was delivered, and calls forget with them.
// Those before it stay, also if they were not delivered.
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

// takeActions returns what has to be done after the lock is released.
func (a *assignment) takeActions() actions {
	a.advance()
	if a.freed > 0 {
		a.limits.inFlight.Give(a.freed)
		a.freed = 0
	}
	after := a.after
	a.after = actions{}
	return after
}

// end forgets all messages: the assignment is lost. orphans is how many stay in flight.
func (a *assignment) end(orphans int) {
	a.queue.partition.dedup.forgetOpen()
	a.ready, a.lanes, a.inFlight, a.freed = messageList{}, lanes{}, messageSet{}, 0
	a.limits.leave(orphans)
}
