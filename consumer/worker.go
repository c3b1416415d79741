package consumer

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// quantum is how many messages of one partition a worker handles before it
// looks at the others.
const quantum = 64

// employ has messages handled, by up to e.workers workers.
func (e *engine) employ(handle func(r *message) error) {
	e.employWith(func(p *partition) { e.serve(p, handle) })
}

// employWith has workers serve the partitions that have something to do.
func (e *engine) employWith(serve func(p *partition)) {
	e.sched.employ(e.workers, func(st *seat) {
		e.staff.run(func() {
			closed := false
			defer func() {
				if !closed {
					e.sched.resign() // a handler ended the goroutine
				}
			}()
			for {
				p := e.sched.next(nil, st)
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
func (e *engine) serve(p *partition, handle func(r *message) error) {
	p.mu.Lock()
	defer func() {
		p.announce()
		p.mu.Unlock()
	}()
	for range quantum {
		r := p.next()
		if r == nil {
			return
		}
		p.running++
		if !p.listed.Load() && p.hasWork() {
			e.sched.ready(p) // for others, since this one may take long
		}
		p.deliver(r, handle)
	}
}

// deliver gives r to handle and settles it, also when that ends the goroutine.
// p.mu is held, and released meanwhile.
func (p *partition) deliver(r *message, handle func(r *message) error) {
	delivery := r.deliveries
	var err error = errExited // unless handle returns
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.running--
		if p.phase == phaseLost {
			p.judged(r, delivery, err)
			p.ghostGone()
			return
		}
		p.judged(r, delivery, err)
		p.drained()
		p.speakUp()
	}()
	err = handle(r)
}

// judged applies what a handler returned. p.mu is held.
func (p *partition) judged(r *message, delivery int, err error) {
	switch {
	case err != nil:
		p.nack(r, delivery, err)
	case p.e.cfg.AckMode != config.AckManual:
		p.ack(r, delivery)
	}
}

// take waits for the next message, for a caller of Next.
func (e *engine) take(ctx context.Context) (*message, error) {
	st := newSeat()
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		p := e.sched.next(ctx.Done(), st)
		if p == nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, iggyerr.ErrClosed
		}
		if r := e.takeFrom(p); r != nil {
			return r, nil
		}
	}
}

// takeFrom takes p's next message; nil when there is none.
func (e *engine) takeFrom(p *partition) *message {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.next()
	if r != nil && e.onPoll {
		p.ack(r, r.deliveries)
	}
	p.announce()
	return r
}
