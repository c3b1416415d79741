package deliver

import (
	"slices"
	"time"
)

// redelivery is the messages that wait for their next delivery. They are out of the in-flight limit
// and of their batch: a message that waits long holds its own memory and its key, nothing else.
type redelivery struct {
	assignment *assignment
	groups     map[*group]struct{}
	due        messageList // to be decoded
}

// group is messages that are due at the same time.
type group struct {
	queue    *Queue
	messages []*Message
	timer    *time.Timer
}

// wait has messages that are with the application delivered again after a delay. Their lanes wait
// with them.
func (r *redelivery) wait(messages []*Message, delay time.Duration) {
	g := &group{queue: r.assignment.queue, messages: make([]*Message, len(messages))}
	for i, m := range messages {
		g.messages[i] = r.leave(m)
		r.assignment.setState(g.messages[i], stateWaiting)
	}
	g.timer = time.AfterFunc(delay, g.expire)
	if r.groups == nil {
		r.groups = map[*group]struct{}{}
	}
	r.groups[g] = struct{}{}
}

// again has messages that are with the application delivered again, before all others, without
// counting the delivery.
func (r *redelivery) again(messages []*Message) {
	for _, message := range slices.Backward(messages) {
		next := r.leave(message)
		next.untried++
		next.given = true
		r.assignment.setState(next, stateDue)
		r.due.unshift(next)
	}
}

// hold has a message wait for the next owner of the partition, without counting the delivery: the
// consumer stops, and no delivery of it would do better here.
func (r *redelivery) hold(m *Message) {
	next := r.leave(m)
	next.untried++
	r.assignment.setState(next, stateWaiting)
}

// leave takes a message out of the in-flight limit and of its batch, and returns its next delivery.
func (r *redelivery) leave(m *Message) *Message {
	a := r.assignment
	// The value is kept for the case that it can't be decoded again; but it must not be much more
	// than what is counted.
	next := a.succeed(m, m.Decompressed == 0)
	next.Raw = clone(m.Raw)
	a.releaseMemory(m)
	a.freed++
	a.limits.waiting.Force(1)
	a.limits.waitingBytes.Force(size(next.Raw))
	return next
}

// expire makes the messages of g due; false when they do not wait any more.
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

// renewed makes messages ready that were due and were decoded anew; errs says which could not be.
func (r *redelivery) renewed(messages []*Message, errs []error) {
	a := r.assignment
	bytes := 0
	first := a.queue.pool.batches() // a batch is in order
	for i, m := range slices.Backward(messages) {

		bytes += size(m.Raw)
		m.Err = errs[i]
		if m.given {
			a.setState(m, stateGivenBack)
		} else {
			a.setState(m, stateRetry)
		}
		if first || m.given {
			a.ready.unshift(m)
		}
	}
	for _, m := range messages {
		if !first && !m.given {
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

// expire has the messages of g decoded and delivered again.
func (g *group) expire() {
	q := g.queue
	q.mu.Lock()
	if q.d.redelivery.expire(g) {
		q.d.changed()
	}
	after := q.d.assignment.takeActions()
	q.mu.Unlock()
	after.do(q)
}
