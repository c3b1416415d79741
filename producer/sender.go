package producer

import (
	"context"
	"errors"
	"runtime"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// sendBatches sends the partition's batches, one after another, until the producer stops. Then it
// gives the messages that are left their outcome.
func (p *partition) sendBatches() {
	producer := p.topic.producer
	for {
		b := p.queue.awaitBatch(producer.tasks.ctx)
		if b == nil {
			break
		}
		small := b.len() < producer.cfg.MaxBatchMessages/2
		p.sendBatch(producer.tasks.ctx, b)
		p.queue.permit.release() // nothing was sent
		if small {
			// Callers that this answer woke may add messages to the next batch.
			runtime.Gosched()
		}
	}
	for _, b := range p.queue.close() {
		p.queue.mu.Lock()
		p.queue.setInFlight(b)
		p.queue.mu.Unlock()
		p.failAll(b, closedError(b.lastErr))
		p.queue.complete(b)
	}
}

// sendBatch sends b, with retries, until each of its messages has its outcome. It moves the
// messages to other partitions when the partition was deleted.
func (p *partition) sendBatch(run context.Context, b *batch) {
	for p.expire(b); b.len() > 0; p.expire(b) {
		if b.epoch.blocked() != nil {
			if p.queue.requeue(b) {
				return
			}
			p.failAll(b, closedError(b.lastErr)) // Stop did not wait for a callback
			break
		}
		expired, err := p.sendWithRetries(run, b)
		switch {
		case err == nil:
			p.confirm(b)
			return
		case run.Err() != nil:
			p.failAll(b, closedError(b.lastErr))
		case expired: // expire fails the messages
		case p.deleted.Load() && errors.Is(err, iggyerr.ErrNotFound):
			p.reroute(b, err)
			return
		default:
			p.failAll(b, err)
		}
	}
	p.queue.complete(b)
}

// senderState is what a sender does or waits for.
type senderState uint8

const (
	senderAwake     senderState = iota
	senderIdle                  // waits for a message
	senderLingering             // waits for a full batch
	senderStarting              // waits for its first message
)

// start starts the sender unless it was started before. It returns false when the producer starts
// no senders any more. q.mu is held.
func (q *batchQueue) start() bool {
	if q.started {
		return true
	}
	if !q.producer.tasks.add() {
		q.closed = true
		return false
	}
	q.started = true
	q.senderState = senderStarting // it waits to be woken, so that the first messages travel together, too
	producer, woken := q.producer, false
	callback.Go(func() {
		if !woken {
			woken = true
			select {
			case <-q.wake:
			case <-producer.tasks.ctx.Done():
			}
		}
		q.partition.sendBatches()
	}, producer.tasks.done)
	return true
}

// markAwake notes that the sender is being woken, so that the next message need not wake it.
func (q *batchQueue) markAwake(wake bool) bool {
	if wake {
		q.senderState = senderAwake
	}
	return wake
}

// wakeSender wakes the sender. It never blocks.
func (q *batchQueue) wakeSender() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
