package producer

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// expire fails the first messages of b whose time is over. It includes those that have at most a
// hundredth of it left, so that messages which were accepted one after another don't fail one by
// one.
func (p *partition) expire(b *batch) {
	producer := p.topic.producer
	timeout := int64(producer.cfg.DeliveryTimeout)
	now := producer.clock.now()
	if b.len() == 0 || b.messages[0].accepted+timeout > now {
		return
	}
	p.queue.permit.release() // before callbacks
	n := 1
	for n < b.len() && b.messages[n].accepted+timeout-timeout/100 <= now {
		n++
	}
	cause := iggyerr.ErrDeliveryTimeout
	if b.lastErr != nil {
		cause = fmt.Errorf("%w, the last attempt: %w", cause, b.lastErr)
	}
	p.failFirst(b, n, cause)
}

// failAll fails all messages of b.
func (p *partition) failAll(b *batch, cause error) { p.failFirst(b, b.len(), cause) }

// failFirst gives the first n messages of b their outcome and removes them.
func (p *partition) failFirst(b *batch, n int, cause error) {
	if n == 0 {
		return
	}
	outcome := b.outcome()
	err := &SendError{
		Stream: p.topic.stream, Topic: p.topic.name, Partition: int64(p.id),
		Attempts: b.attempts, Outcome: outcome, Err: cause,
	}
	producer := p.topic.producer
	producer.stats.setLastError(err)
	producer.log.Error("messages given up", zap.String("stream", err.Stream), zap.String("topic", err.Topic),
		zap.Uint32("partition", p.id), zap.Int("count", n), zap.Stringer("outcome", outcome),
		zap.Int("attempt", b.attempts), zap.Error(cause))
	p.report(b, n, outcome, err)
	b.keep(func(i int) bool { return i >= n })
}

// confirm reports all messages of b as confirmed and completes b. Only the sender may call it.
//
// A callback may end its goroutine, as FailNow of a test does, and here that is the sender's.
// Calling each batch's callbacks in a goroutine of their own costs more allocations than the
// request. Instead, callback.Go replaces a sender that ends.
func (p *partition) confirm(b *batch) {
	n, next, returned := b.len(), 0, false
	p.releaseRoom(b, n, Confirmed)
	defer func() {
		if !returned {
			p.reportInGoroutine(b, next, n, Confirmed, nil)
		}
		p.queue.complete(b)
	}()
	for next < n {
		p.reportFrom(b, &next, n, Confirmed, nil)
	}
	returned = true
}

// report reports the outcome of the first n messages of b, which stay in b. Unlike confirm it
// returns even when a callback ends its goroutine.
func (p *partition) report(b *batch, n int, outcome Outcome, err error) {
	p.releaseRoom(b, n, outcome)
	if b.hasCallbacks {
		p.reportInGoroutine(b, 0, n, outcome, err)
		return
	}
	for next := 0; next < n; {
		p.reportFrom(b, &next, n, outcome, err)
	}
}

// releaseRoom releases the room of the first n messages of b. That comes before the report: a
// callback may send again.
func (p *partition) releaseRoom(b *batch, n int, outcome Outcome) {
	producer := p.topic.producer
	bytes := int64(b.wire.Size())
	if n < b.len() {
		bytes = 0
		for i := range n {
			bytes += int64(len(b.wire.Encoded(i)))
		}
	}
	producer.limit.release(bytes, int64(n))
	producer.stats.countOutcome(p.topic, b, n, bytes, outcome)
}

// reportInGoroutine reports from next on in another goroutine and waits for it.
func (p *partition) reportInGoroutine(b *batch, next, n int, outcome Outcome, err error) {
	for next < n {
		_ = callback.Call(func() error {
			p.reportFrom(b, &next, n, outcome, err) // logs the failures of callbacks
			return nil
		})
	}
}

// reportFrom calls the sinks from next on. When a callback panics or ends the goroutine, next is
// the message after it.
func (p *partition) reportFrom(b *batch, next *int, n int, outcome Outcome, err error) {
	callback.Run(func() error {
		r := Result{Outcome: outcome, Partition: p.id, Err: err}
		for *next < n {
			m := &b.messages[*next]
			*next++
			if m.sink != nil {
				r.ID = b.wire.ID(*next - 1)
				m.sink.setResult(m.index, r)
			}
		}
		return nil
	}, p.topic.producer.stats.logCallbackFailure)
}
