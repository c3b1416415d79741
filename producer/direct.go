package producer

import (
	"context"
)

// A caller that waits for its message sends it itself when nothing else is in flight: passing it to
// the sender and the result back costs a third of the request's time. Meanwhile the partition's
// sender waits. When the first attempt fails, the sender makes the further ones.

// claim takes the open batch, which has one message, for its caller to send, if the sender is idle
// and there is a connection. q.mu is held.
func (q *batchQueue) claim(b *batch) bool {
	producer := q.producer
	if producer.limit.messages.Load() > 1 { // others send, too: a batch is cheaper
		return false
	}
	if q.senderState != senderIdle || q.directSend || len(q.queued) > 0 || q.epoch.blocked() != nil || q.partition.link.Live() == nil || !producer.tasks.add() {
		return false
	}
	q.partition.advanceRoundRobin()
	q.open = nil
	q.setInFlight(b)
	q.directSend = true
	return true
}

// sendDirect makes one attempt with the batch that its caller has claimed. The message has its
// outcome when the attempt succeeds or ctx ends. After another failure the sender continues.
func (p *partition) sendDirect(ctx context.Context) {
	producer := p.topic.producer
	defer producer.tasks.done()
	b := p.queue.inFlight // set by claim in this goroutine
	session := p.link.Live()
	if session != nil {
		err := p.request(ctx, session, b)
		switch {
		case err == nil:
			p.report(b, b.len(), Confirmed, nil)
			p.queue.complete(b)
			return
		case ctx.Err() != nil:
			p.report(b, b.len(), b.outcome(), &SendError{
				Stream: p.topic.stream, Topic: p.topic.name, Partition: int64(p.id),
				Attempts: b.attempts, Outcome: b.outcome(), Err: context.Cause(ctx),
			})
			p.queue.complete(b)
			return
		}
		b.directErr = err
	}
	if !p.queue.requeue(b) {
		p.failAll(b, closedError(b.lastErr))
		p.queue.complete(b)
	}
}
