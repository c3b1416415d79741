package consumer

import (
	"slices"
	"time"
)

// What the tests of the package's parts need of them.

// Tracker is a tracker for tests.
type Tracker struct{ t tracker }

func (t *Tracker) StartAt(offset uint64)            { t.t.startAt(offset) }
func (t *Tracker) Add(offset uint64) uint64         { return t.t.add(offset, offset+1, int64(offset)) }
func (t *Tracker) Ack(n uint64) bool                { return t.t.ack(n) }
func (t *Tracker) Cut(n uint64)                     { t.t.truncate(n) }
func (t *Tracker) Prefix() (offset uint64, ok bool) { return t.t.prefix() }
func (t *Tracker) Open() int                        { return t.t.pending() }
func (t *Tracker) Oldest() (since int64, ok bool)   { return t.t.oldestPending() }
func (t *Tracker) First() (offset uint64, ok bool)  { return t.t.firstPending() }

// Dedup is a dedup for tests.
type Dedup struct{ d *dedup }

func NewDedup(size int) Dedup             { return Dedup{newDedup(size)} }
func (d Dedup) Repeated(id [16]byte) bool { return d.d.isDuplicate(id) }
func (d Dedup) Settled(id [16]byte)       { d.d.settle(id) }
func (d Dedup) Forget(id [16]byte)        { d.d.forget(id) }
func (d Dedup) ForgetOpen()               { d.d.forgetUnsettled() }
func (d Dedup) Reset()                    { d.d.reset() }

// Window is a window for tests, over partitions that only hold room.
type Window struct {
	w     inFlightLimit
	parts []*partition
}

func NewWindow(limit, partitions int) *Window {
	w := &Window{}
	w.w.limit = limit
	for range partitions {
		w.parts = append(w.parts, &partition{history: &history{}})
	}
	w.w.setMembers(w.parts)
	return w
}

func (w *Window) Lose(p, orphans int) {
	w.w.remove(w.parts[p], orphans)
	w.w.setMembers(slices.DeleteFunc(slices.Clone(w.w.members), func(q *partition) bool { return q == w.parts[p] }))
}

func (w *Window) Return(p int) {
	w.parts[p] = &partition{history: w.parts[p].history}
	w.w.setMembers(append(slices.Clone(w.w.members), w.parts[p]))
}

func (w *Window) Settle(p int) {
	if w.w.addFree(w.parts[p], 1) {
		w.w.release(w.parts[p])
	}
}

// Take takes room for a partition, Free makes some of it free, Settle frees it and gives it back as a
// settled message does, and Leave takes the partition out. Lose does so, too, and has nobody count with it any more,
// while some of its messages stay as ghosts, until they are dispelled; Return takes it in again.
func (w *Window) Take(p, want int) int { return w.w.reserve(w.parts[p], want, true) }
func (w *Window) Free(p, n int)        { w.parts[p].freeInFlight.Add(int64(n)) }
func (w *Window) Give(p int) int       { return len(w.w.release(w.parts[p])) }
func (w *Window) Leave(p int)          { w.w.remove(w.parts[p], 0) }
func (w *Window) Dispel(p int) int     { return len(w.w.endOrphan(w.parts[p])) }
func (w *Window) Starving(p int) bool  { return w.parts[p].waitsInFlight.Load() }
func (w *Window) Used() int            { return w.w.used }
func (w *Window) Reserve() int         { return w.w.reservePerMember() }

// Ahead is a bound of what is read ahead, for tests.
type Ahead struct {
	a     prefetchLimit
	parts []*partition
}

func NewAhead(messages, bytes, partitions int) *Ahead {
	a := &Ahead{}
	a.a.limit = amount{messages, bytes}
	for range partitions {
		a.parts = append(a.parts, &partition{})
	}
	a.a.setMembers(a.parts)
	return a
}

func (a *Ahead) Take(p, messages, bytes int) (int, int) {
	granted := a.a.reserve(a.parts[p], amount{messages, bytes}, 0)
	return granted.messages, granted.bytes
}

func (a *Ahead) Settle(p, reservedMessages, reservedBytes, messages, bytes int) {
	a.a.adjust(a.parts[p], amount{reservedMessages, reservedBytes}, amount{messages, bytes})
}

func (a *Ahead) Give(p, messages, bytes int) { a.a.release(a.parts[p], amount{messages, bytes}) }
func (a *Ahead) Leave(p int)                 { a.a.remove(a.parts[p]) }
func (a *Ahead) Used() (int, int)            { return a.a.inUse().messages, a.a.inUse().bytes }

// Lanes are lanes for tests.
type Lanes struct {
	l        lanes
	messages map[uint64]*message
	run      messageQueue
}

func NewLanes() *Lanes { return &Lanes{messages: map[uint64]*message{}} }

// Enter puts a message in; Next takes the next one whose turn it is; Done
// ends it; Cut removes those from seq on.
func (l *Lanes) Enter(seq uint64, key string) {
	msg := &message{seq: seq, key: key}
	l.messages[seq] = msg
	if l.l.add(msg) {
		l.run.push(msg)
	}
}

func (l *Lanes) Next() (seq uint64, key string, ok bool) {
	msg := l.run.pop()
	if msg == nil {
		return 0, "", false
	}
	return msg.seq, msg.key, true
}

func (l *Lanes) Done(seq uint64) {
	if next := l.l.release(l.messages[seq]); next != nil {
		l.run.push(next)
	}
	delete(l.messages, seq)
}

func (l *Lanes) Cut(seq uint64) (dropped int) {
	drop := func(msg *message) { dropped++; delete(l.messages, msg.seq) }
	l.l.removeFrom(seq, drop)
	l.run.removeFrom(seq, func(msg *message) {
		l.l.remove(msg)
		drop(msg)
	})
	return dropped
}

// Keys is how many lanes there are.
func (l *Lanes) Keys() int { return len(l.l.byKey) }

// RedeliveryDelay is the pause after a number of deliveries.
func RedeliveryDelay(base, ceiling time.Duration, jitter float64, deliveries int) time.Duration {
	p := redeliveryPolicy{}
	p.backoff.BaseBackoff, p.backoff.MaxBackoff, p.backoff.Jitter = base, ceiling, jitter
	return p.backoffDelay(deliveries)
}

// The grid of the longer waits.
const Beat = timerGrid

// OnBeat is onBeat.
func OnBeat(wait time.Duration) time.Duration { return coalesce(wait) }
