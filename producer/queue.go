package producer

import (
	"context"
	"runtime"
	"slices"
	"time"
)

// completeUnsent is complete for a batch that was never in flight.
func (p *partition) completeUnsent(b *batch) {
	b.epoch.removeBatch()
	for _, f := range b.flushes {
		f.done()
	}
	p.topic.producer.putBatch(b)
}

// queueOpenBatch moves the open batch to the queue. p.mu is held.
func (p *partition) queueOpenBatch() {
	p.updateExpectedSize(p.open)
	p.topic.producer.closeBatch(p.open)
	p.queue = append(p.queue, p.open)
	p.advanceRoundRobin()
	p.open = nil
}

// awaitBatch waits for the next batch to send. It returns nil when ctx ends first.
func (p *partition) awaitBatch(ctx context.Context) *batch {
	var timer *time.Timer
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	for {
		p.mu.Lock()
		b, gate, wait := p.nextBatch()
		if b != nil {
			p.setInFlight(b)
			p.mu.Unlock()
			if b.len() > 0 {
				return b
			}
			p.complete(b) // all its messages were withdrawn
			continue
		}
		p.mu.Unlock()
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
		case <-p.wake:
			// Let other callers add to the batch: those that the last answer woke are ready to run.
			runtime.Gosched()
		case <-gate:
		case <-elapsed:
		case <-ctx.Done():
			return nil
		}
	}
}

// nextBatch returns the batch to send now. Without one it returns what to wait for beside a
// wake-up: a channel of an earlier epoch, or a time. p.mu is held.
func (p *partition) nextBatch() (b *batch, gate <-chan struct{}, wait time.Duration) {
	producer := p.topic.producer
	if p.directSend {
		p.senderState = senderIdle
		return nil, nil, 0
	}
	p.senderState = senderAwake
	first := p.open
	if len(p.queue) > 0 {
		first = p.queue[0]
	}
	if first == nil {
		p.senderState = senderIdle
		return nil, nil, 0
	}
	now := producer.now()
	if gate = first.epoch.blocked(); gate != nil {
		if left := first.deadline(producer.cfg.DeliveryTimeout) - now; left > 0 {
			return nil, gate, time.Duration(left)
		}
	}
	if first == p.open {
		linger := first.messages[0].accepted + int64(producer.cfg.Linger) - now
		if linger > 0 && !first.skipLinger && first.len() < producer.cfg.MaxBatchMessages {
			p.senderState = senderLingering
			return nil, nil, time.Duration(linger)
		}
		p.updateExpectedSize(first)
		p.advanceRoundRobin()
		p.open = nil
		producer.closeBatch(first)
		producer.shrinkBatch(first)
		return first, nil, 0
	}
	n := copy(p.queue, p.queue[1:])
	p.queue[n] = nil
	p.queue = p.queue[:n]
	return first, nil, 0
}

// setInFlight makes b the batch in flight. Its withdrawn messages are removed, and the others can't
// be withdrawn any more. p.mu is held.
func (p *partition) setInFlight(b *batch) {
	p.inFlight = b
	p.closeWithdrawals(b)
}

// complete ends a batch in flight whose messages all have their outcome.
func (p *partition) complete(b *batch) {
	p.mu.Lock()
	wake := p.clearInFlight()
	flushes := b.flushes
	p.mu.Unlock()
	if wake {
		p.wakeSender()
	}
	b.epoch.removeBatch()
	for _, f := range flushes {
		f.done()
	}
	p.topic.producer.putBatch(b)
}

// clearInFlight notes that nothing is in flight. wake tells that a caller, not the sender, had
// sent, and that there is work for the sender. p.mu is held.
func (p *partition) clearInFlight() (wake bool) {
	p.inFlight = nil
	wake = p.directSend && p.markAwake(p.open != nil || len(p.queue) > 0)
	p.directSend = false
	return wake
}

// requeue returns an unfinished batch to the front of the queue, behind batches of earlier epochs,
// for which it must wait. It returns false when the partition is closed.
func (p *partition) requeue(b *batch) bool {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return false
	}
	i := 0
	for i < len(p.queue) && p.queue[i].epoch.number < b.epoch.number {
		i++
	}
	p.queue = slices.Insert(p.queue, i, b)
	wake := p.clearInFlight()
	p.mu.Unlock()
	if wake {
		p.wakeSender()
	}
	return true
}

// enqueue adds a batch with messages of another partition behind the queued batches of its epoch.
// It returns false when the sender has ended.
func (p *partition) enqueue(b *batch) bool {
	p.mu.Lock()
	if p.closed || !p.start() {
		p.mu.Unlock()
		return false
	}
	i := 0
	for i < len(p.queue) && p.queue[i].epoch.number <= b.epoch.number {
		i++
	}
	p.queue = append(p.queue, nil)
	copy(p.queue[i+1:], p.queue[i:])
	p.queue[i] = b
	p.markAwake(true)
	p.mu.Unlock()
	p.wakeSender()
	return true
}

// close closes the partition and returns the batches that are left, oldest first.
func (p *partition) close() []*batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	left := p.queue
	p.queue = nil
	if p.open != nil {
		p.topic.producer.closeBatch(p.open)
		left = append(left, p.open)
		p.open = nil
	}
	return left
}
