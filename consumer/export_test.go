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
func (t *Tracker) Cut(n uint64)                     { t.t.cut(n) }
func (t *Tracker) Prefix() (offset uint64, ok bool) { return t.t.prefix() }
func (t *Tracker) Open() int                        { return t.t.open() }
func (t *Tracker) Oldest() (since int64, ok bool)   { return t.t.oldest() }
func (t *Tracker) First() (offset uint64, ok bool)  { return t.t.first() }

// Dedup is a dedup for tests.
type Dedup struct{ d *dedup }

func NewDedup(size int) Dedup             { return Dedup{newDedup(size)} }
func (d Dedup) Repeated(id [16]byte) bool { return d.d.repeated(id) }
func (d Dedup) Settled(id [16]byte)       { d.d.settled(id) }
func (d Dedup) Forget(id [16]byte)        { d.d.forget(id) }
func (d Dedup) ForgetOpen()               { d.d.forgetOpen() }
func (d Dedup) Reset()                    { d.d.reset() }

// Window is a window for tests, over partitions that only hold room.
type Window struct {
	w     window
	parts []*partition
}

func NewWindow(limit, partitions int) *Window {
	w := &Window{}
	w.w.limit = limit
	for range partitions {
		w.parts = append(w.parts, &partition{memory: &memory{}})
	}
	w.w.members(w.parts)
	return w
}

func (w *Window) Lose(p, ghosts int) {
	w.w.leave(w.parts[p], ghosts)
	w.w.members(slices.DeleteFunc(slices.Clone(w.w.parts), func(q *partition) bool { return q == w.parts[p] }))
}

func (w *Window) Return(p int) {
	w.parts[p] = &partition{memory: w.parts[p].memory}
	w.w.members(append(slices.Clone(w.w.parts), w.parts[p]))
}

func (w *Window) Settle(p int) {
	if w.w.free(w.parts[p], 1) {
		w.w.give(w.parts[p])
	}
}

// Take takes room for a partition, Free makes some of it free, Settle frees it and gives it back as a
// settled message does, and Leave takes the partition out. Lose does so, too, and has nobody count with it any more,
// while some of its messages stay as ghosts, until they are dispelled; Return takes it in again.
func (w *Window) Take(p, want int) int { return w.w.take(w.parts[p], want, true) }
func (w *Window) Free(p, n int)        { w.parts[p].slack.Add(int64(n)) }
func (w *Window) Give(p int) int       { return len(w.w.give(w.parts[p])) }
func (w *Window) Leave(p int)          { w.w.leave(w.parts[p], 0) }
func (w *Window) Dispel(p int) int     { return len(w.w.dispel(w.parts[p])) }
func (w *Window) Starving(p int) bool  { return w.parts[p].starving.Load() }
func (w *Window) Used() int            { return w.w.used }
func (w *Window) Reserve() int         { return w.w.reserve() }

// Ahead is a bound of what is read ahead, for tests.
type Ahead struct {
	a     ahead
	parts []*partition
}

func NewAhead(messages, bytes, partitions int) *Ahead {
	a := &Ahead{}
	a.a.limit = hold{messages, bytes}
	for range partitions {
		a.parts = append(a.parts, &partition{})
	}
	a.a.members(a.parts)
	return a
}

func (a *Ahead) Take(p, messages, bytes int) (int, int) {
	h := a.a.take(a.parts[p], hold{messages, bytes}, 0)
	return h.messages, h.bytes
}

func (a *Ahead) Settle(p, reservedMessages, reservedBytes, messages, bytes int) {
	a.a.settle(a.parts[p], hold{reservedMessages, reservedBytes}, hold{messages, bytes})
}

func (a *Ahead) Give(p, messages, bytes int) { a.a.give(a.parts[p], hold{messages, bytes}) }
func (a *Ahead) Leave(p int)                 { a.a.leave(a.parts[p]) }
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
	r := &message{seq: seq, key: key}
	l.messages[seq] = r
	if l.l.enter(r) {
		l.run.push(r)
	}
}

func (l *Lanes) Next() (seq uint64, key string, ok bool) {
	r := l.run.pop()
	if r == nil {
		return 0, "", false
	}
	return r.seq, r.key, true
}

func (l *Lanes) Done(seq uint64) {
	if next := l.l.leave(l.messages[seq]); next != nil {
		l.run.push(next)
	}
	delete(l.messages, seq)
}

func (l *Lanes) Cut(seq uint64) (dropped int) {
	drop := func(r *message) { dropped++; delete(l.messages, r.seq) }
	l.l.cut(seq, drop)
	l.run.cut(seq, func(r *message) {
		l.l.end(r)
		drop(r)
	})
	return dropped
}

// Keys is how many lanes there are.
func (l *Lanes) Keys() int { return len(l.l.byKey) }

// RedeliveryDelay is the pause after a number of deliveries.
func RedeliveryDelay(base, ceiling time.Duration, jitter float64, deliveries int) time.Duration {
	p := redelivery{}
	p.backoff.BaseBackoff, p.backoff.MaxBackoff, p.backoff.Jitter = base, ceiling, jitter
	return p.delay(deliveries)
}

// The grid of the longer waits.
const Beat = beat

// OnBeat is onBeat.
func OnBeat(wait time.Duration) time.Duration { return onBeat(wait) }
