package consumer

import (
	"slices"
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// What the tests of the package's parts need of them.

// Tracker is a tracker for tests.
type Tracker struct{ t tracker }

func (t *Tracker) StartAt(offset uint64)                  { t.t.startAt(offset) }
func (t *Tracker) Add(offset uint64) uint64               { return t.t.add(offset, offset+1, int64(offset)) }
func (t *Tracker) Ack(n uint64) bool                      { return t.t.ack(n) }
func (t *Tracker) Truncate(n uint64)                      { t.t.truncate(n) }
func (t *Tracker) Prefix() (offset uint64, ok bool)       { return t.t.prefix() }
func (t *Tracker) Pending() int                           { return t.t.pending() }
func (t *Tracker) OldestPending() (since int64, ok bool)  { return t.t.oldestPending() }
func (t *Tracker) FirstPending() (offset uint64, ok bool) { return t.t.firstPending() }

// Dedup is a dedup for tests.
type Dedup struct{ d *dedup }

func NewDedup(size int) Dedup                { return Dedup{newDedup(size)} }
func (d Dedup) IsDuplicate(id [16]byte) bool { return d.d.isDuplicate(id) }
func (d Dedup) Settle(id [16]byte)           { d.d.settle(id) }
func (d Dedup) Forget(id [16]byte)           { d.d.forget(id) }
func (d Dedup) ForgetUnsettled()             { d.d.forgetUnsettled() }
func (d Dedup) Reset()                       { d.d.reset() }

// Quota is a quota for tests, over partitions that hold nothing but room.
type Quota struct {
	q      quota
	shares []*quotaShare
}

func NewQuota(limit, partitions int) *Quota {
	q := &Quota{}
	q.q.limit = limit
	for range partitions {
		q.shares = append(q.shares, &quotaShare{orphaned: new(int)})
	}
	q.q.setMembers(q.shares)
	return q
}

// Lose removes a partition from the members; some of its messages stay orphaned until EndOrphan.
func (q *Quota) Lose(p, orphans int) {
	q.q.remove(q.shares[p], orphans)
	q.q.setMembers(slices.DeleteFunc(slices.Clone(q.q.members), func(s *quotaShare) bool { return s == q.shares[p] }))
}

// Return makes a lost partition a member again.
func (q *Quota) Return(p int) {
	q.shares[p] = &quotaShare{orphaned: q.shares[p].orphaned}
	q.q.setMembers(append(slices.Clone(q.q.members), q.shares[p]))
}

// Settle frees the room of one message as a settled message does.
func (q *Quota) Settle(p int) {
	if q.q.keepFree(q.shares[p], 1) {
		q.q.releaseFree(q.shares[p])
	}
}

func (q *Quota) Reserve(p, want int) int {
	return q.q.reserve(q.shares[p], quotaRequest{want: want})
}
func (q *Quota) Free(p, n int)         { q.shares[p].free.Add(int64(n)) }
func (q *Quota) ReleaseFree(p int) int { return len(q.q.releaseFree(q.shares[p])) }
func (q *Quota) Remove(p int)          { q.q.remove(q.shares[p], 0) }
func (q *Quota) EndOrphan(p int) int   { return len(q.q.endOrphan(q.shares[p])) }
func (q *Quota) Waiting(p int) bool    { return q.shares[p].waiting.Load() }
func (q *Quota) Used() int             { return q.q.used }
func (q *Quota) ReservePerMember() int { return q.q.reservePerMember() }

// Prefetch is a prefetch limit for tests.
type Prefetch struct {
	l      prefetchLimit
	shares []*prefetchShare
}

func NewPrefetch(messages, bytes, partitions int) *Prefetch {
	p := &Prefetch{}
	p.l.setLimit(amount{messages, bytes})
	for range partitions {
		p.shares = append(p.shares, &prefetchShare{})
	}
	p.l.setMembers(p.shares)
	return p
}

func (l *Prefetch) Reserve(p, messages, bytes int) (int, int) {
	granted := l.l.reserve(l.shares[p], amount{messages, bytes}, 0)
	return granted.messages, granted.bytes
}

func (l *Prefetch) Adjust(p, reservedMessages, reservedBytes, messages, bytes int) {
	l.l.adjust(l.shares[p], amount{reservedMessages, reservedBytes}, amount{messages, bytes})
}

func (l *Prefetch) Release(p, messages, bytes int) { l.l.release(l.shares[p], amount{messages, bytes}) }

func (l *Prefetch) Used() (int, int) { return l.l.inUse().messages, l.l.inUse().bytes }

// WithDialer replaces the transport that the configuration names.
func WithDialer(d transport.Dialer) Option { return func(o *options) { o.dialer = d } }

// Lanes are lanes for tests.
type Lanes struct {
	l        lanes
	messages map[uint64]*message
	run      messageQueue
}

func NewLanes() *Lanes { return &Lanes{messages: map[uint64]*message{}} }

// Enter puts a message in; Next takes the next one whose turn it is; Done
// ends it; Cut removes those from seq on.
func (l *Lanes) Add(seq uint64, key string) {
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

func (l *Lanes) Release(seq uint64) {
	if next := l.l.release(l.messages[seq]); next != nil {
		l.run.push(next)
	}
	delete(l.messages, seq)
}

func (l *Lanes) RemoveFrom(seq uint64) (dropped int) {
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
const TimerGrid = timerGrid

// OnBeat is onBeat.
func Coalesce(wait time.Duration) time.Duration { return coalesce(wait) }
