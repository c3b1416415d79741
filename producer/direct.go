package producer

import (
	"context"
)

// A caller that waits for its message sends it itself when nothing else is in flight: passing it to
// the sender and the result back costs a third of the request's time. Meanwhile the partition's
// sender waits. When the first attempt fails, the sender makes the further ones.

// claim takes the open batch, which has one message, for its caller to send, if the sender is idle
// and there is a connection. p.mu is held.
func (p *partition) claim(b *batch) bool {
	producer := p.topic.producer
	if producer.limit.messages.Load() > 1 { // others send, too: a batch is cheaper
		return false
	}
	if p.senderState != senderIdle || p.directSend || len(p.queue) > 0 || p.epoch.blocked() != nil || p.link.Live() == nil || !producer.addSender() {
		return false
	}
	p.updateExpectedSize(b)
	p.advanceRoundRobin()
	p.open = nil
	producer.closeBatch(b)
	p.setInFlight(b)
	p.directSend = true
	return true
}

// sendDirect makes one attempt with the batch that its caller has claimed. The message has its
// outcome when the attempt succeeds or ctx ends. After another failure the sender continues.
func (p *partition) sendDirect(ctx context.Context) {
	producer := p.topic.producer
	defer producer.senders.Done()
	b := p.inFlight // set by claim in this goroutine
	session := p.link.Live()
	if session != nil {
		err := p.request(ctx, session, b)
		switch {
		case err == nil:
			p.report(b, b.len(), Confirmed, nil)
			p.complete(b)
			return
		case ctx.Err() != nil:
			p.report(b, b.len(), b.outcome(), &SendError{
				Stream: p.topic.stream, Topic: p.topic.name, Partition: int64(p.id),
				Attempts: b.attempts, Outcome: b.outcome(), Err: context.Cause(ctx),
			})
			p.complete(b)
			return
		}
		b.directErr = err
	}
	if !p.requeue(b) {
		p.failAll(b, closedError(b.lastErr))
		p.complete(b)
	}
}
