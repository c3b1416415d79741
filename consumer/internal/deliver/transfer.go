package deliver

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fault"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

const (
	// transferBackoff is the longest pause between attempts to write a message elsewhere.
	transferBackoff = 10 * time.Second
)

// transfer is a message that is being written elsewhere: to the dead letters, or to the parked
// messages. It is acknowledged when that is confirmed.
type transfer struct {
	message   *Message
	cause     error
	code      string
	attempts  int
	due       time.Time   // of a message to be parked; zero: a dead letter
	moved     bool        // it is parked already, and was not delivered
	uncounted bool        // it was delivered, which does not count
	blocked   bool        // it could not be written yet
	failure   fault.Fault // writing it fails
}

// parks reports whether the message is to be parked.
func (t *transfer) parks() bool { return !t.due.IsZero() }

// write writes the message. It retries until it succeeds or the queue is lost. While a message can't be
// written the queue delivers nothing, and its state says so.
func (t *transfer) write() {
	q := t.message.queue
	if !t.parks() && !q.pool.app.HasDeadLetters() {
		t.written(t.entry(zapcore.ErrorLevel, "message skipped, the consumer has no dead letters"), false)
		return
	}
	p := q.pool.policy
	p.backoff.BaseBackoff = max(p.backoff.BaseBackoff, time.Millisecond)
	p.backoff.MaxBackoff = min(p.backoff.MaxBackoff, transferBackoff)
	stopping := q.pool.stop.begun
	for attempt := 1; q.ctx.Err() == nil; attempt++ {
		err := callback.Call(t.store)
		switch {
		case err == nil && t.parks():
			e := t.entry(zapcore.DebugLevel, "message parked")
			e.Delay, e.Delayed = time.Until(t.due), true
			t.written(e, true)
			return
		case err == nil:
			t.written(t.entry(zapcore.WarnLevel, "message given up, dead letter written"), true)
			return
		case q.pool.interrupted(err):
			t.hold()
			return
		case t.parks() && errors.Is(err, iggyerr.ErrTooLarge):
			t.waitHere(err)
			return
		}
		if q.ctx.Err() == nil {
			t.refused(attempt, err)
			stopping = t.pause(p.delay(attempt), stopping)
		}
	}
	// The queue is lost, or the consumer stops: the message is delivered again.
}

// store makes one attempt.
func (t *transfer) store() error {
	q := t.message.queue
	if t.parks() {
		return q.pool.app.Park(q.ctx, t.message, t.due, t.attempts)
	}
	return q.pool.app.DeadLetter(q.ctx, t.message, t.cause, t.code, t.attempts)
}

func (t *transfer) entry(level zapcore.Level, text string) Entry {
	return entry(level, text, t.message, t.attempts, t.code, t.cause)
}

// refused notes that the message could not be written: that blocks the queue.
func (t *transfer) refused(attempt int, err error) {
	q := t.message.queue
	failed, waits, problem := "writing the dead letter failed, the partition waits", "waits for the dead letters", "dead letters cannot be written"
	if t.parks() {
		failed, waits, problem = "parking a message failed, the partition waits", "waits to park a message", "messages cannot be parked"
	}
	q.update(func(d *delivery) {
		a := &d.assignment
		if a.phase == PhaseLost {
			return
		}
		if !t.blocked {
			t.blocked = true
			d.blocked++
			d.runs.recallAll()
		}
		d.blockedBy = fmt.Errorf("%s: %w", waits, err)
		if t.failure.Occurred(err) {
			a.after.log(entry(zapcore.ErrorLevel, failed, t.message, attempt, "", err))
		}
		a.after.errs = append(a.after.errs, fmt.Errorf("iggy: %s/%d: %s: %w", q.partition.topic, q.partition.id, problem, err))
	})
}

// hold leaves the message to the next owner of the partition: what it is written to is closed.
func (t *transfer) hold() {
	t.end(func(d *delivery) { d.redelivery.hold(t.message) })
}

// waitHere has a message wait in memory that can't be parked.
func (t *transfer) waitHere(cause error) {
	t.end(func(d *delivery) {
		delay := max(time.Until(t.due), 0)
		e := t.entry(zapcore.WarnLevel, "message is too large to be parked, it waits in memory")
		e.Err, e.Delay, e.Delayed = cause, delay, true
		d.assignment.after.log(e)
		switch {
		case t.moved:
			d.redelivery.await(t.message, delay)
		case t.uncounted:
			d.redelivery.postpone(t.message, delay)
		default:
			d.redelivery.redeliverAfter([]*Message{t.message}, delay)
		}
	})
}

// written ends the message: it was confirmed elsewhere, or there are no dead letters.
func (t *transfer) written(e Entry, confirmed bool) {
	t.message.queue.update(func(d *delivery) { d.assignment.after.log(e) })
	t.end(func(d *delivery) {
		a := &d.assignment
		switch {
		case t.parks():
			a.counters.Parked++
		case confirmed:
			a.counters.DeadLettered++
		default:
			a.counters.Skipped++
		}
		a.settle(t.message)
	})
}

// end ends the transfer, unless the queue is lost.
func (t *transfer) end(how func(d *delivery)) {
	t.message.queue.update(func(d *delivery) {
		if d.assignment.phase == PhaseLost {
			return
		}
		if t.blocked {
			if d.blocked--; d.blocked == 0 {
				d.blockedBy = nil
			}
		}
		how(d)
		d.changed()
	})
}

// pause waits for d, or until the queue is lost. The begin of a stop ends one pause: what closed the
// dead letters may be that stop. It returns the channel that tells of it, nil once it has.
func (t *transfer) pause(d time.Duration, stopping chan struct{}) chan struct{} {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.message.queue.ctx.Done():
	case <-stopping:
		return nil
	}
	return stopping
}
