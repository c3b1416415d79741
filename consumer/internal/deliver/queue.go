package deliver

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/quota"
)

// Queue is one assignment of a partition: from when it is learned that the partition is this
// consumer's until it is not. When the partition is lost, moved to another offset or assigned
// again, a new queue takes its place, and what is still under way for the old one has no effect any
// more. Its methods are safe for concurrent use.
type Queue struct {
	partition *Partition
	pool      *Pool
	owner     Owner
	progress  Progress
	ctx       context.Context
	cancel    context.CancelCauseFunc
	listed    atomic.Bool // is in the scheduler's list
	buffered  buffered

	mu sync.Mutex
	d  delivery // guarded by mu, but for the limits, which do not change
}

// QueueOptions are what a queue begins with.
type QueueOptions struct {
	Owner    Owner
	Progress Progress
	// Acknowledged is the offset of the acknowledged prefix that goes before what is offered; only
	// when HasAcknowledged.
	Acknowledged    uint64
	HasAcknowledged bool
	// Paused has the queue begin as after Pause.
	Paused bool
	// Replay tells that messages are read again on purpose: the ids that were seen are forgotten.
	Replay bool
}

// NewQueue begins an assignment of the partition. The former queue must be lost. The contexts of
// the messages come from ctx. The queue has no part in the limits until Pool.SetQueues names it.
func (p *Partition) NewQueue(ctx context.Context, o QueueOptions) *Queue {
	q := &Queue{partition: p, pool: p.pool, owner: o.Owner, progress: o.Progress}
	q.ctx, q.cancel = context.WithCancelCause(ctx)
	wake := func() { p.pool.sched.ready(q) }
	q.d.connect(q)
	q.d.paused = o.Paused
	a := &q.d.assignment
	a.limits = limits{
		inFlight:     p.pool.inFlight.NewMember(wake, quota.Succeeding(p.former)),
		decompressed: p.pool.decompressed.NewMember(wake, quota.Overdraw()),
		waiting:      p.pool.waiting.NewMember(wake),
		waitingBytes: p.pool.waitingBytes.NewMember(wake),
	}
	p.former = a.limits.inFlight
	if o.HasAcknowledged {
		a.tracker.StartAt(o.Acknowledged)
	}
	if o.Replay {
		p.dedup.reset()
	}
	p.current.Store(q)
	return q
}

// limits are the queue's parts in what the queues of a pool share.
type limits struct {
	inFlight     *quota.Member
	decompressed *quota.Member // bytes
	waiting      *quota.Member // messages that wait for their next delivery
	waitingBytes *quota.Member
}

// buffered is what is in the prefetch buffer. It is changed under the queue's lock and read
// without.
type buffered struct {
	batches, messages, bytes atomic.Int64
}

func (b *buffered) add(batches, messages, bytes int) {
	b.batches.Add(int64(batches))
	b.messages.Add(int64(messages))
	b.bytes.Add(int64(bytes))
}

// ID returns the partition's id.
func (q *Queue) ID() uint32 { return q.partition.id }

// Context returns the context of the queue's messages. It ends when the queue is lost, with the
// cause, and when Cancel was called.
func (q *Queue) Context() context.Context { return q.ctx }

// Cancel ends the context of the queue's messages: their time is over. What fails after that is no
// fault of the message, and is handed out no more.
func (q *Queue) Cancel(cause error) { q.cancel(cause) }

// Buffered returns what is in the prefetch buffer: batches, of which the first may be admitted in
// part, their messages that are not admitted, and their bytes.
func (q *Queue) Buffered() (batches, messages, bytes int) {
	return int(q.buffered.batches.Load()), int(q.buffered.messages.Load()), int(q.buffered.bytes.Load())
}

// Offer adds what a poll brought to the prefetch buffer and tells whether the queue wants it. One
// that drains wants nothing, unless messages are acknowledged before they are handled: nobody else
// will get those. What is not wanted is released.
func (q *Queue) Offer(b *Batch) bool {
	q.mu.Lock()
	wanted := q.d.admission.offer(b)
	q.d.announce()
	after := q.d.assignment.takeActions()
	q.mu.Unlock()
	after.do(q)
	return wanted
}

// CommitAdvanced tells that Progress.Committed has grown: the queue may take more.
func (q *Queue) CommitAdvanced() {
	q.mu.Lock()
	q.d.announce()
	q.mu.Unlock()
}

// Pause stops handing messages out, and Pause(false) goes on. What is with the application is not
// affected.
func (q *Queue) Pause(paused bool) {
	q.mu.Lock()
	q.d.paused = paused
	if paused && q.d.assignment.phase == PhaseActive {
		q.d.runs.recallAll()
		q.d.assignment.limits.inFlight.Unclaim()
	}
	q.d.announce()
	after := q.d.assignment.takeActions()
	q.mu.Unlock()
	after.do(q)
}

// Drain takes nothing new and forgets what nobody has seen, so that only what is with the
// application remains to be settled. It returns the offset of the first message that was forgotten:
// reading goes on there after Resume; false when there is none. Where messages are acknowledged
// before they are handled, nothing is forgotten.
func (q *Queue) Drain() (first uint64, ok bool) {
	q.mu.Lock()
	first, ok = q.d.drain()
	after := q.d.assignment.takeActions()
	q.mu.Unlock()
	after.do(q)
	return first, ok
}

// Resume lets a draining queue go on.
func (q *Queue) Resume() {
	q.mu.Lock()
	q.d.resume()
	q.mu.Unlock()
}

// Lose ends the assignment. The contexts of its messages end with cause, and what the application
// does with them has no effect. It returns how many messages were with the application, or waited,
// and were not acknowledged; only the first loss counts. Messages that are with the application
// still count as in flight, and hold up the partition's next queue, until the application is done
// with them.
func (q *Queue) Lose(cause error) (unfinished int, first bool) { return q.lose(cause, true) }

// Discard is Lose when the application itself moved the partition to another offset: nothing waits
// for the messages that it holds.
func (q *Queue) Discard(cause error) (unfinished int, first bool) { return q.lose(cause, false) }

func (q *Queue) lose(cause error, orphans bool) (unfinished int, first bool) {
	q.mu.Lock()
	unfinished, first = q.d.lose(cause, orphans)
	after := q.d.assignment.takeActions()
	q.mu.Unlock()
	after.do(q)
	return unfinished, first
}
