package consumer

import (
	"context"
	"errors"
	"time"
)

// current tells whether r is with the application by this delivery: not when
// it was settled, waits for another one or belongs to a lost partition. p.mu is held.
func (p *partition) isCurrent(msg *message, delivery int) bool {
	return p.phase != phaseLost && msg.state == messageDelivered && msg.deliveries == delivery
}

// ack acknowledges a delivery; a late one is ignored. p.mu is held.
func (p *partition) ack(msg *message, delivery int) {
	if !p.isCurrent(msg, delivery) {
		p.settleOrphan(msg, delivery)
		return
	}
	p.counters.acked++
	p.settle(msg)
}

// nack says that a delivery failed; a late one is ignored, and so is a failure after
// the context of the partition ended or one of the application's at a stop: shutting
// down is no message's fault. p.mu is held.
func (p *partition) nack(msg *message, delivery int, err error) {
	if !p.isCurrent(msg, delivery) {
		p.settleOrphan(msg, delivery)
		return
	}
	if p.ctx.Err() != nil {
		p.setState(msg, messageDetached)
		return
	}
	msg.cause = err
	if p.e.isDraining() && !p.e.ackOnPoll && errors.Is(err, context.Canceled) {
		// The application is stopping, too, and told its handler by a context
		// of its own. The message is unfinished, for the next owner.
		p.redeliver(msg, p.e.cfg.Retry.MaxBackoff)
		return
	}
	if p.e.ackOnPoll {
		p.counters.failed++
		p.logFailure(msg, delivery-msg.untried, err, "delivery failed, the message was acknowledged before")
		p.settle(msg)
		return
	}
	switch v, delay := p.e.redelivery.decide(err, delivery-msg.untried); v {
	case decisionDrop:
		p.counters.dropped++
		p.logDropped(msg, delivery-msg.untried, err)
		p.settle(msg)
	case decisionDeadLetter:
		p.counters.failed++
		p.giveUp(msg, err)
	case decisionRetry:
		p.counters.failed++
		p.logRetry(msg, delivery-msg.untried, delay, err)
		p.redeliver(msg, delay)
	}
}

// later delivers r again after a delay. Its lane waits with it. p.mu is held.
func (p *partition) redeliver(msg *message, delay time.Duration) {
	p.setState(msg, messageBackingOff)
	p.backingOff++
	p.redeliverTogether([]*message{msg}, delay)
}

// giveBack queues r again, before all others, as if it had not been given out: the
// application did not try it. It has no effect on what was settled. p.mu is not held.
func (p *partition) takeBack(msg *message, delivery int) {
	p.mu.Lock()
	if !p.isCurrent(msg, delivery) {
		p.settleOrphan(msg, delivery)
		p.mu.Unlock()
		return
	}
	msg.untried++
	p.setState(msg, messageBackingOff)
	p.backingOff++
	p.mu.Unlock()
	p.e.typed.nextDelivery(msg) // nobody else has to do with it while it waits

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == phaseLost {
		return
	}
	p.backingOff--
	p.setState(msg, messageGivenBack)
	p.ready.pushFront(msg)
	p.afterSettle()
}

// settled is called when a delivery was settled from outside of a worker. p.mu is held.
func (p *partition) afterSettle() {
	p.checkDrained()
	p.scheduleIfReady()
}
