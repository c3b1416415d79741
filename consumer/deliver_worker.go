package consumer

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// messagesPerRun is how many messages of one partition a worker handles before it looks at the
// others.
const messagesPerRun = 64

// startWorkers has messages handled by up to maxWorkers workers.
func (e *engine) startWorkers(handle func(msg *message) error) {
	e.runWorkers(func(p *partition) { e.serveMessages(p, handle) })
}

// runWorkers has workers serve the scheduled partitions.
func (e *engine) runWorkers(serve func(p *partition)) {
	e.scheduler.startWorkers(e.maxWorkers, func(w *waiter) {
		e.workerTasks.run(func() {
			for p := e.scheduler.next(nil, w); p != nil; p = e.scheduler.next(nil, w) {
				serve(p)
			}
		})
	})
}

// serveMessages handles some of p's messages, one after another. Between two of them the
// partition's lock is taken once: to settle the one and get the next.
func (e *engine) serveMessages(p *partition, handle func(msg *message) error) {
	p.mu.Lock()
	defer func() {
		p.scheduleIfReady()
		p.mu.Unlock()
	}()
	for range messagesPerRun {
		msg := p.nextMessage()
		if msg == nil {
			return
		}
		p.running++
		if !p.scheduled.Load() && p.hasWork() {
			e.scheduler.schedule(p) // for others, since this one may take long
		}
		p.deliver(msg, handle)
	}
}

// hasWork reports whether a worker finds something to do. p.mu is held.
func (p *partition) hasWork() bool {
	if p.phase == phaseLost || p.blockedDeadLetters > 0 || p.quiesced {
		return false
	}
	if p.e.batchHandler {
		return p.canStartBatch() && (p.ready.length > 0 || p.canAdmit())
	}
	if p.running >= int(p.e.workersPerPartition.Load()) || (p.paused && p.phase == phaseActive) {
		return false
	}
	return p.ready.length > 0 || p.canAdmit()
}

// nextMessage returns the next message to be delivered, and admits more when none is ready; nil
// when there is none. p.mu is held, and released while messages are decoded.
func (p *partition) nextMessage() *message {
	for {
		if p.phase == phaseLost || p.blockedDeadLetters > 0 || p.quiesced || p.running >= int(p.e.workersPerPartition.Load()) || (p.paused && p.phase == phaseActive) {
			return nil
		}
		if msg := p.ready.pop(); msg != nil {
			p.markDelivered(msg)
			return msg
		}
		if !p.admit(decodeChunk) {
			return nil
		}
	}
}

// scheduleIfReady schedules p if there is something to do. p.mu is held.
func (p *partition) scheduleIfReady() {
	if p.hasWork() {
		p.e.scheduler.schedule(p)
	}
}

// deliver passes msg to handle and settles it, also when handle ends the goroutine. p.mu is held, and
// released meanwhile.
func (p *partition) deliver(msg *message, handle func(msg *message) error) {
	delivery := msg.deliveries
	p.mu.Unlock()
	callback.Run(func() error { return handle(msg) }, func(err error) {
		p.mu.Lock()
		p.running--
		p.applyResult(msg, delivery, err)
		if p.phase == phaseLost {
			p.orphanEnded()
			return
		}
		p.checkDrained()
		p.flushLogsUnlocked()
	})
}

// nextMessage waits for the next message, for a caller of Next.
func (e *engine) nextMessage(ctx context.Context) (*message, error) {
	w := newWaiter()
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		p := e.scheduler.next(ctx.Done(), w)
		if p == nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, iggyerr.ErrClosed
		}
		if msg := e.nextMessageOf(p); msg != nil {
			return msg, nil
		}
	}
}

// nextMessageOf returns p's next message; nil when there is none.
func (e *engine) nextMessageOf(p *partition) *message {
	p.mu.Lock()
	defer p.mu.Unlock()
	msg := p.nextMessage()
	if msg != nil && e.ackOnPoll {
		p.ack(msg, msg.deliveries)
	}
	p.scheduleIfReady()
	return msg
}
