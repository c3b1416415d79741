package consumer

import (
	"cmp"
	"slices"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// mayBatch tells whether the next batch of a partition may begin: the messages
// of the one before are settled, or all wait in the queue to be delivered again. So
// a key stays in order. With manual acknowledgement, those that the handler
// kept do not count. p.mu is held.
func (p *partition) mayBatch() bool {
	return !p.batch && p.waiting == 0 && p.buried == 0
}

// employBatches has batches handled: one at a time in each partition.
func (e *engine) employBatches(handle func(messages []*message) error) {
	e.employWith(func(p *partition) { e.serveBatch(p, handle) })
}

// serveBatch handles one batch of p.
func (e *engine) serveBatch(p *partition, handle func(messages []*message) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == phaseLost || p.blocked > 0 || p.resting || p.paused && p.phase == phaseActive || !p.mayBatch() {
		return
	}
	p.batch = true
	collected := false
	defer func() {
		if !collected { // a codec ended the goroutine
			p.batch = false
			p.announce()
		}
	}()
	messages := p.collect()
	collected = true
	if len(messages) == 0 {
		p.batch = false
		p.drained()
		p.announce()
		return
	}
	deliveries := make([]int, len(messages))
	for i, r := range messages {
		p.hand(r)
		deliveries[i] = r.deliveries
	}
	p.running++
	var err error = errExited // unless handle returns
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.running--
		p.batch = false
		if p.phase == phaseLost {
			p.judgedBatch(messages, deliveries, err)
			p.ghostGone()
			return
		}
		p.judgedBatch(messages, deliveries, err)
		p.drained()
		p.announce()
		p.speakUp()
	}()
	err = handle(messages)
}

// collect takes the queued messages, and so many more that they make a batch.
// p.mu is held, and released while messages are decoded.
func (p *partition) collect() []*message {
	for p.run.length < p.e.cfg.BatchSize && p.takeIn(p.e.cfg.BatchSize-p.run.length) {
		if p.phase == phaseLost {
			return nil
		}
	}
	messages := make([]*message, 0, min(p.run.length, p.e.cfg.BatchSize))
	for len(messages) < p.e.cfg.BatchSize {
		r := p.run.pop()
		if r == nil {
			break
		}
		messages = append(messages, r)
	}
	// Some may have been delivered before, and queued behind newer ones.
	slices.SortFunc(messages, func(a, b *message) int { return cmp.Compare(a.seq, b.seq) })
	return messages
}

// judgedBatch applies what a batch handler returned to those messages of the
// batch that it has not settled itself. Those that failed together are delivered
// again together. p.mu is held.
func (p *partition) judgedBatch(messages []*message, deliveries []int, err error) {
	if err == nil {
		if p.e.cfg.AckMode != config.AckManual {
			for i, r := range messages {
				p.ack(r, deliveries[i])
			}
		}
		return
	}
	if p.e.onPoll || p.ctx.Err() != nil {
		for i, r := range messages {
			p.nack(r, deliveries[i], err)
		}
		return
	}
	var again []*message
	var delay time.Duration
	for i, r := range messages {
		if !p.current(r, deliveries[i]) {
			continue
		}
		v, d := p.e.redelivery.judge(err, deliveries[i]-r.returns)
		if v != verdictRetry {
			p.nack(r, deliveries[i], err)
			continue
		}
		r.cause = err
		p.turn(r, messageWaiting)
		p.tally.failed++
		p.waiting++
		again, delay = append(again, r), max(delay, d)
	}
	p.complainTogether(again, delay, err)
	p.laterTogether(again, delay)
}

// laterTogether queues messages again after a delay. p.mu is held.
func (p *partition) laterTogether(messages []*message, delay time.Duration) {
	if len(messages) == 0 {
		return
	}
	time.AfterFunc(delay, func() {
		for _, r := range messages {
			p.e.typed.again(r) // nobody else has to do with it while it waits
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.phase == phaseLost {
			return
		}
		for _, r := range messages {
			p.waiting--
			p.turn(r, messageQueued)
			p.run.push(r)
		}
		p.drained()
		p.announce()
	})
}
