package consumer

import (
	"context"
	"errors"

	"github.com/fetchbox/fetchbox-iggy/config"
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

// judged applies what a handler returned. p.mu is held.
func (p *partition) applyResult(msg *message, delivery int, err error) {
	switch {
	case err != nil:
		p.nack(msg, delivery, err)
	case p.e.cfg.AckMode != config.AckManual:
		p.ack(msg, delivery)
	}
}

// settled is called when a delivery was settled from outside of a worker. p.mu is held.
func (p *partition) afterSettle() {
	p.checkDrained()
	p.scheduleIfReady()
}
