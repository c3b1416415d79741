package consumer

import (
	"cmp"
	"slices"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// canStartBatch reports whether the next batch of a partition may begin: the messages of the one
// before are settled, or all are queued for redelivery. So a key stays in order. With manual
// acknowledgement, messages that the handler left unsettled do not count. p.mu is held.
func (p *partition) canStartBatch() bool {
	return !p.batchRunning && p.backingOff == 0 && p.deadLettering == 0
}

// startBatchWorkers has batches handled, one at a time in each partition.
func (e *engine) startBatchWorkers(handle func(messages []*message) error) {
	e.runWorkers(func(p *partition) { e.serveBatch(p, handle) })
}

// serveBatch handles one batch of p.
func (e *engine) serveBatch(p *partition, handle func(messages []*message) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == phaseLost || p.blockedDeadLetters > 0 || p.quiesced || p.paused && p.phase == phaseActive || !p.canStartBatch() {
		return
	}
	p.batchRunning = true
	var messages []*message
	callback.Run(func() error {
		messages = p.collectBatch()
		return nil
	}, func(err error) {
		if err != nil || len(messages) == 0 { // an error means that a codec ended the goroutine
			p.batchRunning = false
			p.checkDrained()
			p.scheduleIfReady()
		}
	})
	if len(messages) == 0 {
		return
	}
	deliveries := make([]int, len(messages))
	for i, msg := range messages {
		p.markDelivered(msg)
		deliveries[i] = msg.deliveries
	}
	p.running++
	p.mu.Unlock()
	callback.Run(func() error { return handle(messages) }, func(err error) {
		p.mu.Lock()
		p.running--
		p.batchRunning = false
		p.applyBatchResult(messages, deliveries, err)
		if p.phase == phaseLost {
			p.orphanEnded()
			return
		}
		p.checkDrained()
		p.scheduleIfReady()
		p.flushLogsUnlocked()
	})
}

// collectBatch takes the queued messages, and admits more until they make a batch. p.mu is held,
// and released while messages are decoded.
func (p *partition) collectBatch() []*message {
	for p.ready.length < p.e.cfg.BatchSize && p.admit(p.e.cfg.BatchSize-p.ready.length) {
		if p.phase == phaseLost {
			return nil
		}
	}
	messages := make([]*message, 0, min(p.ready.length, p.e.cfg.BatchSize))
	for len(messages) < p.e.cfg.BatchSize {
		msg := p.ready.pop()
		if msg == nil {
			break
		}
		messages = append(messages, msg)
	}
	// Redelivered messages may be queued behind newer ones.
	slices.SortFunc(messages, func(a, b *message) int { return cmp.Compare(a.seq, b.seq) })
	return messages
}

// applyBatchResult applies the result of a batch handler to those messages of the batch that the
// handler has not settled itself. Those that failed together are redelivered together. p.mu is
// held.
func (p *partition) applyBatchResult(messages []*message, deliveries []int, err error) {
	if err == nil {
		if p.e.cfg.AckMode != config.AckManual {
			for i, msg := range messages {
				p.ack(msg, deliveries[i])
			}
		}
		return
	}
	if p.e.ackOnPoll || p.ctx.Err() != nil {
		for i, msg := range messages {
			p.nack(msg, deliveries[i], err)
		}
		return
	}
	var again []*message
	var delay time.Duration
	for i, msg := range messages {
		if !p.isCurrent(msg, deliveries[i]) {
			continue
		}
		v, d := p.e.redelivery.decide(err, deliveries[i]-msg.untried)
		if v != decisionRetry {
			p.nack(msg, deliveries[i], err)
			continue
		}
		msg.cause = err
		p.setState(msg, messageBackingOff)
		p.counters.failed++
		p.backingOff++
		again, delay = append(again, msg), max(delay, d)
	}
	p.logBatchRetry(again, delay, err)
	p.redeliverTogether(again, delay)
}
