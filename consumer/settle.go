package consumer

import (
	"context"
	"errors"
	"time"
)

// current tells whether r is with the application by this delivery: not when
// it was settled, waits for another one or belongs to a lost partition. p.mu is held.
func (p *partition) current(r *message, delivery int) bool {
	return p.phase != phaseLost && r.state == messageGiven && r.deliveries == delivery
}

// ack acknowledges a delivery; a late one is ignored. p.mu is held.
func (p *partition) ack(r *message, delivery int) {
	if !p.current(r, delivery) {
		p.putDown(r, delivery)
		return
	}
	p.tally.acked++
	p.finish(r)
}

// nack says that a delivery failed; a late one is ignored, and so is a failure after
// the context of the partition ended or one of the application's at a stop: shutting
// down is no message's fault. p.mu is held.
func (p *partition) nack(r *message, delivery int, err error) {
	if !p.current(r, delivery) {
		p.putDown(r, delivery)
		return
	}
	if p.ctx.Err() != nil {
		p.turn(r, messageReturned)
		return
	}
	r.cause = err
	if p.e.retreatAsked() && !p.e.onPoll && errors.Is(err, context.Canceled) {
		// The application is stopping, too, and told its handler by a context
		// of its own. The message is unfinished, for the next owner.
		p.later(r, p.e.cfg.Retry.MaxBackoff)
		return
	}
	if p.e.onPoll {
		p.tally.failed++
		p.complain(r, delivery-r.returns, err, "delivery failed, the message was acknowledged before")
		p.finish(r)
		return
	}
	switch v, delay := p.e.redelivery.judge(err, delivery-r.returns); v {
	case verdictDrop:
		p.tally.dropped++
		p.noteDropped(r, delivery-r.returns, err)
		p.finish(r)
	case verdictBury:
		p.tally.failed++
		p.bury(r, err)
	case verdictRetry:
		p.tally.failed++
		p.complainAgain(r, delivery-r.returns, delay, err)
		p.later(r, delay)
	}
}

// later delivers r again after a delay. Its lane waits with it. p.mu is held.
func (p *partition) later(r *message, delay time.Duration) {
	p.turn(r, messageWaiting)
	p.waiting++
	p.laterTogether([]*message{r}, delay)
}

// giveBack queues r again, before all others, as if it had not been given out: the
// application did not try it. It has no effect on what was settled. p.mu is not held.
func (p *partition) giveBack(r *message, delivery int) {
	p.mu.Lock()
	if !p.current(r, delivery) {
		p.putDown(r, delivery)
		p.mu.Unlock()
		return
	}
	r.returns++
	p.turn(r, messageWaiting)
	p.waiting++
	p.mu.Unlock()
	p.e.typed.again(r) // nobody else has to do with it while it waits

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == phaseLost {
		return
	}
	p.waiting--
	p.turn(r, messageBack)
	p.run.unshift(r)
	p.settled()
}

// settled is called when a delivery was settled from outside of a worker. p.mu is held.
func (p *partition) settled() {
	p.drained()
	p.announce()
}
