package consumer

import (
	"context"
	"errors"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// isCurrent reports whether msg is with the application by this delivery: not when it was settled,
// waits for redelivery or belongs to a lost partition. p.mu is held.
func (p *partition) isCurrent(msg *message, delivery int) bool {
	return p.phase != phaseLost && msg.state == messageDelivered && msg.deliveries == delivery
}

// ack acknowledges a delivery; one that is not current has no effect. p.mu is held.
func (p *partition) ack(msg *message, delivery int) {
	if !p.isCurrent(msg, delivery) {
		p.settleOrphan(msg, delivery)
		return
	}
	p.counters.acked++
	p.settle(msg)
}

// nack fails a delivery. One that is not current has no effect. Neither has a failure after the
// context of the partition ended, or of the application's own context during a stop: a shutdown is
// not a failure of the message. p.mu is held.
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
		// The application is stopping, too, and its handler uses a context of the application. The
		// message is unfinished, and is delivered again to the next owner.
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

// applyResult applies the result of a handler. p.mu is held.
func (p *partition) applyResult(msg *message, delivery int, err error) {
	switch {
	case err != nil:
		p.nack(msg, delivery, err)
	case p.e.cfg.AckMode != config.AckManual:
		p.ack(msg, delivery)
	}
}

// afterSettle follows the settling of a delivery outside of a worker. p.mu is held.
func (p *partition) afterSettle() {
	p.checkDrained()
	p.scheduleIfReady()
}
