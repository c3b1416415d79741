package deliver

import (
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// settlement applies the outcomes of deliveries.
type settlement struct {
	assignment *assignment
	redelivery *redelivery
	suspension *queueSuspension
}

// apply applies what a handler returned for m.
func (s *settlement) apply(m *Message, err error) {
	switch {
	case err != nil:
		s.nack(m, err)
	case m.queue.pool.cfg.AckMode != config.AckManual:
		s.ack(m)
	}
}

// ack acknowledges a delivery.
func (s *settlement) ack(m *Message) {
	a := s.assignment
	if !a.current(m) {
		a.releaseOrphan(m)
		return
	}
	a.counters.Acked++
	s.suspension.decided(m)
	a.settle(m)
}

// nack says that a delivery failed. A failure after the context of the queue ended is ignored, and
// one that comes from a stop is no attempt: the message is unfinished, for the next owner.
func (s *settlement) nack(m *Message, err error) {
	a, p := s.assignment, m.queue.pool
	switch {
	case !a.current(m):
		a.releaseOrphan(m)
		return
	case m.queue.ctx.Err() != nil:
		a.setState(m, stateReturned)
		return
	case p.interrupted(err):
		s.redelivery.hold(m)
		return
	case p.onPoll():
		a.counters.Failed++
		a.after.log(entry(zapcore.WarnLevel, "delivery failed, the message was acknowledged before", m, m.Attempts(), topic.CodeOf(err), err))
		a.settle(m)
		return
	}
	what, delay := p.policy.decide(err, m.Attempts())
	switch what {
	case decisionDrop:
		s.suspension.decided(m)
		a.counters.Dropped++
		a.after.log(entry(zapcore.DebugLevel, "message dropped", m, m.Attempts(), "", err))
		a.settle(m)
	case decisionDeadLetter:
		s.suspension.decided(m)
		a.counters.Failed++
		s.giveUp(m, err)
	case decisionPause, decisionPauseAll:
		s.suspension.suspend(m, delay, err, what == decisionPauseAll)
		s.redelivery.redeliverFirst([]*Message{m})
	case decisionPark:
		s.suspension.decided(m)
		a.counters.Failed++
		s.logRetry("delivery failed, the message is parked", m, 0, delay, err)
		s.begin(&transfer{message: m, cause: err, code: topic.CodeOf(err), attempts: m.Attempts(), due: time.Now().Add(delay)})
	case decisionPostpone:
		e := entry(zapcore.DebugLevel, "message postponed", m, m.Attempts()-1, topic.CodeOf(err), err)
		e.Delay, e.Delayed = delay, true
		a.after.log(e)
		if p.policy.parks(delay) {
			s.begin(&transfer{message: m, attempts: m.Attempts() - 1, due: time.Now().Add(delay), uncounted: true})
		} else {
			s.redelivery.postpone(m, delay)
		}
	case decisionRetry:
		a.counters.Failed++
		s.logRetry("delivery failed, retrying", m, 0, delay, err)
		s.redelivery.redeliverAfter([]*Message{m}, delay)
	}
}

// applyToBatch applies what a batch handler returned to those messages of the batch that it has not
// settled itself. Messages that failed together are delivered again together.
func (s *settlement) applyToBatch(messages []*Message, err error) {
	a := s.assignment
	p := a.queue.pool
	if err == nil {
		if p.cfg.AckMode != config.AckManual {
			for _, m := range messages {
				s.ack(m)
			}
		}
		return
	}
	if a.phase == PhaseLost || p.onPoll() || a.queue.ctx.Err() != nil || p.interrupted(err) {
		for _, m := range messages {
			s.nack(m, err)
		}
		return
	}
	var retried, untried []*Message
	var delay time.Duration
	for _, m := range messages {
		if !a.current(m) {
			continue
		}
		switch what, after := p.policy.decide(err, m.Attempts()); what {
		case decisionRetry:
			a.counters.Failed++
			retried, delay = append(retried, m), max(delay, after)
		case decisionPause, decisionPauseAll:
			s.suspension.suspend(m, after, err, what == decisionPauseAll)
			untried = append(untried, m)
		default:
			s.nack(m, err)
		}
	}
	s.redelivery.redeliverFirst(untried)
	if len(retried) > 0 {
		s.logRetry("delivery of a batch failed, retrying", retried[0], len(retried), delay, err)
		s.redelivery.redeliverAfter(retried, delay)
	}
}

func (s *settlement) logRetry(text string, m *Message, count int, delay time.Duration, err error) {
	e := entry(zapcore.WarnLevel, text, m, m.Attempts(), topic.CodeOf(err), err)
	e.Delay, e.Delayed, e.Count = delay, true, count
	s.assignment.after.log(e)
}

// refuse gives up a message that can't be decoded, in place of delivering it.
func (s *settlement) refuse(m *Message) {
	a := s.assignment
	a.counters.Undecodable++
	a.delivered = max(a.delivered, m.seq+1)
	s.giveUp(m, m.Err)
}

// giveUp gives up a message in flight: it goes to the dead letters, and counts as acknowledged when
// they have confirmed it. Where the topic has none it is logged, counted and
// skipped.
func (s *settlement) giveUp(m *Message, cause error) {
	t := &transfer{message: m, cause: cause, code: topic.CodeDecode, attempts: m.Attempts()}
	if m.Err == nil {
		t.code = topic.CodeOf(cause)
	} else {
		t.attempts-- // it was not delivered
	}
	s.begin(t)
}

// begin begins to write a message elsewhere.
func (s *settlement) begin(t *transfer) {
	a, m := s.assignment, t.message
	a.setState(m, stateTransfer)
	m.batch.keep() // the dead letter may keep the payload
	if !a.queue.pool.transfers.run(t.write) {
		a.setState(m, stateReturned) // the consumer is stopped; the message is delivered again
	}
}

// giveBack ends a delivery as if it had not happened. It returns the next delivery, which the
// caller decodes again and passes to requeue; nil when m is not in flight.
func (s *settlement) giveBack(m *Message) *Message {
	a := s.assignment
	if !a.current(m) {
		a.releaseOrphan(m)
		return nil
	}
	a.freed++
	next := a.nextDelivery(m, true)
	next.uncounted++
	next.Raw, next.batch, next.Decompressed = m.Raw, m.batch, m.Decompressed
	a.setState(next, stateWaiting) // it is in no list until requeue
	return next
}
