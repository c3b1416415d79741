package producer

import (
	"context"
)

// A caller that waits for its message, and finds nothing else on its way, sends it
// itself: two hand-overs between goroutines would cost a third of
// what the request does. While it does, the partition's sender stands back; whatever
// the first attempt leaves over is the sender's.

// claim makes the open batch, which has one message, the caller's to send, if the
// sender is idle and there is a connection. p.mu is held.
func (p *partition) claim(b *batch) bool {
	producer := p.topic.producer
	if producer.ceiling.messages.Load() > 1 { // others send, too: batches are better
		return false
	}
	if p.sleep != idle || p.busy || len(p.queue) > 0 || p.epoch.gate() != nil || p.link.Live() == nil || !producer.addSender() {
		return false
	}
	p.learn(b)
	p.passTurn()
	p.open = nil
	producer.closeBatch(b)
	p.begin(b)
	p.busy = true
	return true
}

// sendDirect makes one attempt with the batch that the caller has claimed. When ctx
// ends it, the message has its outcome; when it fails otherwise, the sender goes on.
func (p *partition) sendDirect(ctx context.Context) {
	producer := p.topic.producer
	defer producer.senders.Done()
	b := p.inFlight // set by claim in this goroutine
	session := p.link.Live()
	if session != nil {
		err := p.request(ctx, session, b)
		switch {
		case err == nil:
			p.settle(b, b.len(), Confirmed, nil)
			p.finish(b)
			return
		case ctx.Err() != nil:
			p.settle(b, b.len(), b.outcome(), &SendError{
				Stream: p.topic.stream, Topic: p.topic.name, Partition: int64(p.id),
				Attempts: b.attempts, Outcome: b.outcome(), Err: context.Cause(ctx),
			})
			p.finish(b)
			return
		}
		b.failed = err
	}
	if !p.putBack(b) {
		p.giveUp(b, stopped(b.lastErr))
		p.finish(b)
	}
}
