package consumer

import (
	"errors"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/retry"
)

// redeliveryPolicy says how often and after which backoff a failed message is delivered again.
type redeliveryPolicy struct {
	maxDeliveries int // deliveries; negative: no end
	backoff       config.Backoff
}

// backoffDelay is the backoff after the given number of deliveries. A message that waits for redelivery
// holds a timer and its lane, but no goroutine.
func (p redeliveryPolicy) backoffDelay(deliveries int) time.Duration {
	return retry.Delay(p.backoff, deliveries)
}

// decision is what happens to a message whose delivery failed.
type decision uint8

const (
	decisionRetry decision = iota
	decisionDeadLetter
	decisionDrop
)

// decide decides what happens after a failed delivery; deliveries counts this one.
func (p redeliveryPolicy) decide(err error, deliveries int) (decision, time.Duration) {
	var permanent *permanentError
	var after *retryAfterError
	switch {
	case errors.Is(err, Drop):
		return decisionDrop, 0
	case errors.As(err, &permanent), p.maxDeliveries >= 0 && deliveries >= p.maxDeliveries:
		return decisionDeadLetter, 0
	case errors.As(err, &after):
		return decisionRetry, after.delay
	default:
		return decisionRetry, p.backoffDelay(deliveries)
	}
}

// redeliver delivers msg again after a delay. Its lane waits with it. p.mu is held.
func (p *partition) redeliver(msg *message, delay time.Duration) {
	p.setState(msg, messageBackingOff)
	p.backingOff++
	p.redeliverTogether([]*message{msg}, delay)
}

// redeliverTogether delivers messages again together after a delay. p.mu is held.
func (p *partition) redeliverTogether(messages []*message, delay time.Duration) {
	if len(messages) == 0 {
		return
	}
	time.AfterFunc(delay, func() {
		for _, msg := range messages {
			p.e.typed.nextDelivery(msg) // nothing else uses it while it waits
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.phase == phaseLost {
			return
		}
		for _, msg := range messages {
			p.backingOff--
			p.setState(msg, messageQueued)
			p.ready.push(msg)
		}
		p.checkDrained()
		p.scheduleIfReady()
	})
}

// takeBack puts msg into the ready queue again, before all others, as if it had not been delivered:
// the application did not handle it. It has no effect on a settled message. p.mu is not held.
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
	p.e.typed.nextDelivery(msg) // nothing else uses it while it waits

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
