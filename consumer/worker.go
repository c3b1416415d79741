package consumer

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// quantum is how many messages of one partition a worker handles before it
// looks at the others.
const messagesPerTurn = 64

// employ has messages handled, by up to e.workers workers.
func (e *engine) startWorkers(handle func(msg *message) error) {
	e.runWorkers(func(p *partition) { e.serveMessages(p, handle) })
}

// employWith has workers serve the partitions that have something to do.
func (e *engine) runWorkers(serve func(p *partition)) {
	e.scheduler.startWorkers(e.maxWorkers, func(w *waiter) {
		e.workerTasks.run(func() {
			closed := false
			defer func() {
				if !closed {
					e.scheduler.workerExited() // a handler ended the goroutine
				}
			}()
			for {
				p := e.scheduler.next(nil, w)
				if p == nil {
					closed = true
					return
				}
				serve(p)
			}
		})
	})
}

// serve handles some of p's messages, one after another. Between two of them
// the partition's lock is taken once: to settle the one and get the other.
func (e *engine) serveMessages(p *partition, handle func(msg *message) error) {
	p.mu.Lock()
	defer func() {
		p.scheduleIfReady()
		p.mu.Unlock()
	}()
	for range messagesPerTurn {
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

// deliver gives r to handle and settles it, also when that ends the goroutine.
// p.mu is held, and released meanwhile.
func (p *partition) deliver(msg *message, handle func(msg *message) error) {
	delivery := msg.deliveries
	var err error = errHandlerExited // unless handle returns
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.running--
		if p.phase == phaseLost {
			p.applyResult(msg, delivery, err)
			p.orphanEnded()
			return
		}
		p.applyResult(msg, delivery, err)
		p.checkDrained()
		p.flushLogsUnlocked()
	}()
	err = handle(msg)
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

// take waits for the next message, for a caller of Next.
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

// takeFrom takes p's next message; nil when there is none.
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
