package deliver

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/quota"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Queue is one assignment of a partition, until it ends. When the partition is moved to another
// offset or assigned again, it gets a new queue, and what is still in flight of the old one has no
// effect any more. Its methods are safe for concurrent use.
type Queue struct {
	partition *Partition
	pool      *Pool
	owner     Owner
	progress  Progress
	ctx       context.Context
	cancel    context.CancelCauseFunc
	leave     func(*wire.Message) time.Time // nil: it has no parked messages
	listed    atomic.Bool                   // is in the scheduler's list
	buffered  buffered

	mu sync.Mutex
	d  delivery // guarded by mu, but for the limits, which do not change
}

// QueueOptions are what a queue begins with.
type QueueOptions struct {
	Owner    Owner
	Progress Progress
	// Acknowledged is the offset of the acknowledged prefix that precedes what is offered; only when
	// HasAcknowledged.
	Acknowledged    uint64
	HasAcknowledged bool
	// Paused has the queue begin as after Pause.
	Paused bool
	// Leave says when a message of a partition of parked messages leaves the partition: until then
	// neither it nor those behind it are admitted. It is nil for other partitions.
	Leave func(*wire.Message) time.Time
	// Replay tells that messages are read again on purpose: the ids that were seen are forgotten.
	Replay bool
}

// NewQueue begins an assignment of the partition. The former queue must be lost. The contexts of
// the messages come from ctx. The queue has no part in the limits until Pool.SetQueues names it.
func (p *Partition) NewQueue(ctx context.Context, o QueueOptions) *Queue {
	q := &Queue{partition: p, pool: p.pool, owner: o.Owner, progress: o.Progress, leave: o.Leave}
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
	waiting      *quota.Member // messages that wait for redelivery
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

// parked reports whether the partition has parked messages, which have no order.
func (q *Queue) parked() bool { return q.leave != nil }

// ID returns the partition's id.
func (q *Queue) ID() uint32 { return q.partition.id }

// Owner returns the owner of the queue.
func (q *Queue) Owner() Owner { return q.owner }

// Context returns the context of the queue's messages. It ends when the queue is lost, with the
// cause, and when Cancel was called.
func (q *Queue) Context() context.Context { return q.ctx }

// Cancel ends the context of the queue's messages: their time is over. A failure after that does
// not count, and the message is not delivered again by this queue.
func (q *Queue) Cancel(cause error) { q.cancel(cause) }

// Buffered returns what is in the prefetch buffer: batches, of which the first may be admitted in
// part, their messages that are not admitted, and their bytes.
func (q *Queue) Buffered() (batches, messages, bytes int) {
	return int(q.buffered.batches.Load()), int(q.buffered.messages.Load()), int(q.buffered.bytes.Load())
}

// Offer adds a batch to the prefetch buffer and reports whether it was accepted. A queue that
// drains accepts nothing, unless messages are acknowledged before they are handled: nobody else
// would get those. A batch that is not accepted is released.
func (q *Queue) Offer(b *Batch) (accepted bool) {
	q.update(func(d *delivery) {
		accepted = d.admission.offer(b)
		d.announce()
	})
	return accepted
}

// CommitAdvanced says that Progress.Committed has grown: the queue may admit more messages.
func (q *Queue) CommitAdvanced() {
	q.mu.Lock()
	q.d.announce()
	q.mu.Unlock()
}

// Pause stops the delivery, and Pause(false) resumes it. Messages in flight are not affected.
func (q *Queue) Pause(paused bool) {
	q.update(func(d *delivery) {
		d.paused = paused
		if paused && d.assignment.phase == PhaseActive {
			d.runs.recallAll()
			d.assignment.limits.inFlight.Unclaim()
		}
		d.announce()
	})
}

// Drain admits nothing new and forgets the messages that were not delivered, so that only those in
// flight remain to be settled. It returns the offset of the first message that was forgotten, from
// which the partition is read again after Resume; false when there is none. Where messages are
// acknowledged before they are handled, nothing is forgotten.
func (q *Queue) Drain() (first uint64, ok bool) {
	q.update(func(d *delivery) {
		first, ok = d.drain()
	})
	return first, ok
}

// Resume ends Drain.
func (q *Queue) Resume() {
	q.mu.Lock()
	q.d.resume()
	q.mu.Unlock()
}

// Lose ends the assignment. The contexts of its messages end with cause, and settling them has no
// effect. It returns how many messages were in flight or waited for redelivery; only the first loss
// counts. Messages in flight are orphaned: they still count for the in-flight limit, and the
// partition's next queue delivers nothing, until the application settles them.
func (q *Queue) Lose(cause error) (unfinished int, first bool) { return q.lose(cause, true) }

// Discard is Lose for a partition that the application itself moved to another offset: its messages
// in flight are not waited for.
func (q *Queue) Discard(cause error) (unfinished int, first bool) { return q.lose(cause, false) }

func (q *Queue) lose(cause error, orphans bool) (unfinished int, first bool) {
	q.update(func(d *delivery) {
		unfinished, first = d.lose(cause, orphans)
	})
	return unfinished, first
}

// update changes the queue under its lock, and does then what follows from that without the lock.
func (q *Queue) update(change func(d *delivery)) {
	q.mu.Lock()
	change(&q.d)
	after := q.d.assignment.takeActions()
	q.mu.Unlock()
	after.do(q)
}
