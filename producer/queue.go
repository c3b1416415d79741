package producer

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

// batchQueue holds the batches of a partition. The open batch fills until it is full or the sender
// takes it. Full batches wait in the queue. One batch at a time is in flight.
//
// The queue is bounded by bufferLimit, where each message reserves its room first.
type batchQueue struct {
	partition *partition
	producer  *Producer

	mu          sync.Mutex
	epoch       *epoch
	open        *batch
	queued      []*batch
	inFlight    *batch
	senderState senderState
	started     bool // the sender was started
	closed      bool // the sender has ended, or will never run
	directSend  bool // a caller sends its message itself; the sender waits

	wake   chan struct{} // a token for the waiting sender
	permit permit        // the sender's
}

// queueOpenBatch moves the open batch to the queue. q.mu is held.
func (q *batchQueue) queueOpenBatch() {
	q.queued = append(q.queued, q.open)
	q.partition.advanceRoundRobin()
	q.open = nil
}

// awaitBatch waits for the next batch to send, and for the permit to send it. It returns nil when ctx
// ends first. The batch comes without a permit while there is no connection, and when its time is
// over.
func (q *batchQueue) awaitBatch(ctx context.Context) *batch {
	var timer *time.Timer
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	for {
		q.mu.Lock()
		b, gate, wait := q.nextBatch()
		if b != nil && !q.permit.held {
			left := time.Duration(b.deadline(q.producer.cfg.DeliveryTimeout) - q.producer.clock.now())
			if left > 0 && q.partition.link.Live() != nil {
				q.mu.Unlock()
				q.permit.await(ctx, left)
				if ctx.Err() != nil {
					q.permit.release()
					return nil
				}
				continue
			}
		}
		if b != nil {
			q.take(b)
			q.mu.Unlock()
			if b.len() > 0 {
				return b
			}
			q.complete(b) // all its messages were withdrawn
			continue
		}
		q.mu.Unlock()
		q.permit.release()
		var elapsed <-chan time.Time
		if wait > 0 {
			if timer == nil {
				timer = time.NewTimer(wait)
			} else {
				timer.Reset(wait)
			}
			elapsed = timer.C
		}
		select {
		case <-q.wake:
			// Let other callers add to the batch: those that the last answer woke are ready to run.
			runtime.Gosched()
		case <-gate:
		case <-elapsed:
		case <-ctx.Done():
			return nil
		}
	}
}

// nextBatch returns the batch to send now, which stays in the queue until take. Without one it
// returns what to wait for beside a wake-up: a channel of an earlier epoch, or a time. q.mu is held.
func (q *batchQueue) nextBatch() (b *batch, gate <-chan struct{}, wait time.Duration) {
	producer := q.producer
	if q.directSend {
		q.senderState = senderIdle
		return nil, nil, 0
	}
	q.senderState = senderAwake
	first := q.open
	if len(q.queued) > 0 {
		first = q.queued[0]
	}
	if first == nil {
		q.senderState = senderIdle
		return nil, nil, 0
	}
	now := producer.clock.now()
	if gate = first.epoch.blocked(); gate != nil {
		if left := first.deadline(producer.cfg.DeliveryTimeout) - now; left > 0 {
			return nil, gate, time.Duration(left)
		}
	}
	if first == q.open {
		linger := first.messages[0].accepted + int64(producer.cfg.Linger) - now
		if linger > 0 && !first.skipLinger && !first.hasSize(&producer.cfg) {
			q.senderState = senderLingering
			return nil, nil, time.Duration(linger)
		}
	}
	return first, nil, 0
}

// take makes a batch that nextBatch has returned the batch in flight. q.mu is held.
func (q *batchQueue) take(b *batch) {
	if b == q.open {
		q.partition.advanceRoundRobin()
		q.open = nil
	} else {
		n := copy(q.queued, q.queued[1:])
		q.queued[n] = nil
		q.queued = q.queued[:n]
	}
	q.setInFlight(b)
}

// setInFlight makes b the batch in flight. Its withdrawn messages are removed, and the others can't
// be withdrawn any more. q.mu is held.
func (q *batchQueue) setInFlight(b *batch) {
	q.inFlight = b
	q.closeWithdrawals(b)
}

// complete ends a batch in flight whose messages all have their outcome.
func (q *batchQueue) complete(b *batch) {
	q.mu.Lock()
	wake := q.clearInFlight()
	flushes := b.flushes
	q.mu.Unlock()
	if wake {
		q.wakeSender()
	}
	b.epoch.removeBatch()
	for _, f := range flushes {
		f.done()
	}
	q.producer.memory.put(b)
}

// completeUnsent is complete for a batch that was never in flight.
func (p *partition) completeUnsent(b *batch) {
	b.epoch.removeBatch()
	for _, f := range b.flushes {
		f.done()
	}
	p.topic.producer.memory.put(b)
}

// clearInFlight notes that nothing is in flight. wake tells that a caller, not the sender, had
// sent, and that there is work for the sender. q.mu is held.
func (q *batchQueue) clearInFlight() (wake bool) {
	q.inFlight = nil
	wake = q.directSend && q.markAwake(q.open != nil || len(q.queued) > 0)
	q.directSend = false
	return wake
}

// requeue returns an unfinished batch to the front of the queue, behind batches of earlier epochs,
// for which it must wait. It returns false when the partition is closed.
func (q *batchQueue) requeue(b *batch) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	i := 0
	for i < len(q.queued) && q.queued[i].epoch.number < b.epoch.number {
		i++
	}
	q.queued = slices.Insert(q.queued, i, b)
	wake := q.clearInFlight()
	q.mu.Unlock()
	if wake {
		q.wakeSender()
	}
	return true
}

// enqueue adds a batch with messages of another partition behind the queued batches of its epoch.
// It returns false when the sender has ended.
func (q *batchQueue) enqueue(b *batch) bool {
	q.mu.Lock()
	if q.closed || !q.start() {
		q.mu.Unlock()
		return false
	}
	i := 0
	for i < len(q.queued) && q.queued[i].epoch.number <= b.epoch.number {
		i++
	}
	q.queued = append(q.queued, nil)
	copy(q.queued[i+1:], q.queued[i:])
	q.queued[i] = b
	q.markAwake(true)
	q.mu.Unlock()
	q.wakeSender()
	return true
}

// close closes the partition and returns the batches that are left, oldest first.
func (q *batchQueue) close() []*batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	left := q.queued
	q.queued = nil
	if q.open != nil {
		left = append(left, q.open)
		q.open = nil
	}
	return left
}
