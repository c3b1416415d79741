package deliver

import (
	"slices"
	"time"
)

// redelivery is the messages that wait for redelivery. They do not count for the in-flight limit, and
// do not keep the memory of their batch: a message that waits long holds its own memory and its key,
// nothing else.
type redelivery struct {
	assignment *assignment
	groups     map[*group]struct{}
	due        messageList // to be decoded again
}

// group is messages that are due at the same time.
type group struct {
	queue    *Queue
	messages []*Message
	timer    *time.Timer
}

// redeliverAfter has messages in flight delivered again after a delay. The messages behind them in
// their lanes wait with them.
func (r *redelivery) redeliverAfter(messages []*Message, delay time.Duration) {
	g := &group{queue: r.assignment.queue, messages: make([]*Message, len(messages))}
	for i, m := range messages {
		g.messages[i] = r.release(m)
		r.assignment.setState(g.messages[i], stateWaiting)
	}
	g.timer = time.AfterFunc(delay, g.expire)
	if r.groups == nil {
		r.groups = map[*group]struct{}{}
	}
	r.groups[g] = struct{}{}
}

// redeliverFirst has messages in flight delivered again before all others. Their present delivery
// does not count as an attempt.
func (r *redelivery) redeliverFirst(messages []*Message) {
	for _, message := range slices.Backward(messages) {
		next := r.release(message)
		next.uncounted++
		next.givenBack = true
		r.assignment.setState(next, stateDue)
		r.due.unshift(next)
	}
}

// hold has a message wait for the next owner of the partition, without counting the delivery: the
// consumer stops, and no delivery of it would do better here.
func (r *redelivery) hold(m *Message) {
	next := r.release(m)
	next.uncounted++
	r.assignment.setState(next, stateWaiting)
}

// release takes a message out of the in-flight limit and of its batch, and returns its next delivery.
func (r *redelivery) release(m *Message) *Message {
	a := r.assignment
	// The value is kept in case the message can't be decoded again, unless it was decompressed: its
	// size is not counted.
	next := a.nextDelivery(m, m.Decompressed == 0)
	next.Raw = clone(m.Raw)
	a.releaseMemory(m)
	a.freed++
	a.limits.waiting.Force(1)
	a.limits.waitingBytes.Force(size(next.Raw))
	return next
}

// expire makes the messages of g due, and reports whether they still waited.
func (r *redelivery) expire(g *group) bool {
	if _, ok := r.groups[g]; !ok {
		return false
	}
	delete(r.groups, g)
	for _, m := range g.messages {
		r.assignment.setState(m, stateDue)
		r.due.push(m)
	}
	return true
}

// decoded makes messages ready that were due and were decoded again; errs says which could not be.
func (r *redelivery) decoded(messages []*Message, errs []error) {
	a := r.assignment
	bytes := 0
	first := a.queue.pool.batches() // a batch is in order
	for i, m := range slices.Backward(messages) {
		bytes += size(m.Raw)
		m.Err = errs[i]
		if m.givenBack {
			a.setState(m, stateGivenBack)
		} else {
			a.setState(m, stateRetry)
		}
		if first || m.givenBack {
			a.ready.unshift(m)
		}
	}
	for _, m := range messages {
		if !first && !m.givenBack {
			a.ready.push(m)
		}
	}
	a.limits.waiting.Give(len(messages))
	a.limits.waitingBytes.Give(bytes)
}

// stop ends all waits: the queue is lost.
func (r *redelivery) stop() {
	for g := range r.groups {
		g.timer.Stop()
	}
	r.groups, r.due = nil, messageList{}
}

// expire has the messages of g decoded again and delivered.
func (g *group) expire() {
	q := g.queue
	q.update(func(d *delivery) {
		if d.redelivery.expire(g) {
			d.changed()
		}
	})
}
