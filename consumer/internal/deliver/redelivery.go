package deliver

import (
	"slices"
	"time"
)

// redelivery is the messages that wait for redelivery. They do not count for the in-flight limit,
// and do not keep the memory of their batch: a message that waits long holds its own memory and its
// key, nothing else.
type redelivery struct {
	assignment *assignment
	timers     map[*redeliveryTimer]struct{}
	due        messageList // to be decoded again
}

// redeliveryTimer is the timer of messages that are due at the same time.
type redeliveryTimer struct {
	queue    *Queue
	messages []*Message
	at       time.Time
	timer    *time.Timer
}

// redeliverAfter has messages in flight delivered again after a delay. The messages behind them in
// their lanes wait with them.
func (r *redelivery) redeliverAfter(messages []*Message, delay time.Duration) {
	released := make([]*Message, len(messages))
	for i, m := range messages {
		released[i] = r.release(m)
	}
	r.wait(released, delay)
}

// postpone has a message in flight delivered again after a delay. Its present delivery does not count
// as an attempt.
func (r *redelivery) postpone(m *Message, delay time.Duration) {
	next := r.release(m)
	next.uncounted++
	r.wait([]*Message{next}, delay)
}

// await has a parked message wait that was not delivered, in place of its delivery.
func (r *redelivery) await(m *Message, delay time.Duration) {
	next := r.release(m)
	next.deliveries = m.deliveries
	r.wait([]*Message{next}, delay)
}

// wait has messages wait that were released.
func (r *redelivery) wait(messages []*Message, delay time.Duration) {
	t := &redeliveryTimer{queue: r.assignment.queue, messages: messages, at: time.Now().Add(delay)}
	for _, m := range messages {
		r.assignment.setState(m, stateWaiting)
	}
	t.timer = time.AfterFunc(delay, t.expire)
	if r.timers == nil {
		r.timers = map[*redeliveryTimer]struct{}{}
	}
	r.timers[t] = struct{}{}
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
// consumer stops, and another delivery here would fail, too.
func (r *redelivery) hold(m *Message) {
	next := r.release(m)
	next.uncounted++
	r.assignment.setState(next, stateWaiting)
}

// release takes a message out of the in-flight limit and of its batch, and returns its next
// delivery.
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

// expire makes the messages of t due, and reports whether they still waited.
func (r *redelivery) expire(t *redeliveryTimer) bool {
	if _, ok := r.timers[t]; !ok {
		return false
	}
	delete(r.timers, t)
	for _, m := range t.messages {
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
	for t := range r.timers {
		t.timer.Stop()
	}
	r.timers, r.due = nil, messageList{}
}

// expire has the messages of t decoded again and delivered.
func (t *redeliveryTimer) expire() {
	q := t.queue
	q.update(func(d *delivery) {
		if d.redelivery.expire(t) {
			d.changed()
		}
	})
}
