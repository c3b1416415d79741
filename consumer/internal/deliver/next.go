package deliver

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// Next waits for the next message and delivers it. It returns the cause of the end of ctx, and
// iggyerr.ErrClosed when the pool is closed.
func (p *Pool) Next(ctx context.Context) (*Message, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var w *waiter // nil until it has to wait
	for ctx.Err() == nil {
		m, q, exhausted := p.sched.poll(w)
		if exhausted != nil {
			exhausted.returnToQueue()
		}
		if q != nil {
			m = p.takeRun(q)
		}
		switch {
		case m != nil:
			return p.deliverToCaller(m), nil
		case q != nil || exhausted != nil:
			continue // there may be more
		}
		if w == nil {
			w = p.sched.enter()
			defer p.sched.leave(w)
		}
		if !p.sched.wait(ctx.Done(), w) && ctx.Err() == nil {
			return nil, iggyerr.ErrClosed
		}
	}
	return nil, context.Cause(ctx)
}

// deliverToCaller delivers m to a caller of Next.
func (p *Pool) deliverToCaller(m *Message) *Message {
	if p.onPoll() {
		m.Ack()
	}
	return m
}

// returnToQueue returns a run to its queue after callers of Next have begun all of its messages.
func (r *run) returnToQueue() {
	q := r.queue
	q.mu.Lock()
	q.d.runs.remove(r)
	r.reset()
	if q.d.assignment.phase != PhaseLost {
		q.d.runs.spare = r
	}
	q.mu.Unlock()
}

// takeRun takes a run for the callers of Next and begins its first message; nil when there is
// nothing to do.
func (p *Pool) takeRun(q *Queue) *Message {
	var r *run
	for {
		q.mu.Lock()
		d := &q.d
		if r == nil {
			r, d.runs.spare = d.runs.spare, nil
		}
		if r == nil {
			r = &run{}
		}
		r.queue = q
		what, c := d.next(r, q.pool.sched.maxPerRun)
		d.announce()
		after := d.assignment.takeActions()
		q.mu.Unlock()
		after.do(q)
		switch what {
		case stepDecode:
			q.decode(c)
		case stepHandle:
			m := r.begin()
			if !r.exhausted() {
				q.pool.sched.shareRun(r)
			} else {
				r.returnToQueue()
			}
			if m != nil {
				return m
			}
			r = nil // the run was recalled
		default:
			return nil
		}
	}
}
