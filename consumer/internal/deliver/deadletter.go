package deliver

import (
	"fmt"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fault"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

const (
	// deadLetterBackoff is the longest pause between attempts to write a dead letter.
	deadLetterBackoff = 10 * time.Second
)

// deadLetter is a message that is being written to the dead letters.
type deadLetter struct {
	message  *Message
	cause    error
	code     string
	attempts int
	blocked  bool        // it could not be written yet
	failure  fault.Fault // writing it fails
}

// write writes the message to the dead letters. It retries until it succeeds or the queue is lost.
// While dead letters can't be written the queue delivers nothing, and its state says so.
func (l *deadLetter) write() {
	q := l.message.queue
	if !q.pool.app.HasDeadLetters() {
		l.written(l.entry(zapcore.ErrorLevel, "message given up, the topic has no dead letters"), false)
		return
	}
	p := q.pool.policy
	p.backoff.BaseBackoff = max(p.backoff.BaseBackoff, time.Millisecond)
	p.backoff.MaxBackoff = min(p.backoff.MaxBackoff, deadLetterBackoff)
	stopping := q.pool.stop.begun
	for attempt := 1; q.ctx.Err() == nil; attempt++ {
		err := callback.Call(func() error {
			return q.pool.app.DeadLetter(q.ctx, l.message, l.cause, l.code, l.attempts)
		})
		if err == nil {
			l.written(l.entry(zapcore.WarnLevel, "message given up, dead letter written"), true)
			return
		}
		if q.pool.interrupted(err) {
			l.hold()
			return
		}
		if q.ctx.Err() == nil {
			l.refused(attempt, err)
			stopping = l.pause(p.delay(attempt), stopping)
		}
	}
	// The queue is lost, or the consumer stops: the message is delivered again.
}

func (l *deadLetter) entry(level zapcore.Level, text string) Entry {
	return entry(level, text, l.message, l.attempts, l.code, l.cause)
}

// refused notes that the dead letter could not be written: that blocks the queue.
func (l *deadLetter) refused(attempt int, err error) {
	q := l.message.queue
	q.update(func(d *delivery) {
		a := &d.assignment
		if a.phase != PhaseLost {
			if !l.blocked {
				l.blocked = true
				d.blocked++
				d.runs.recallAll()
			}
			if l.failure.Occurred(err) {
				a.after.log(entry(zapcore.ErrorLevel, "writing the dead letter failed, the partition waits", l.message, attempt, "", err))
			}
			a.after.errs = append(a.after.errs, fmt.Errorf("iggy: %s/%d: dead letters cannot be written: %w", q.pool.topic, q.partition.id, err))
		}
	})
}

// hold leaves the message to the next owner of the partition: the dead letters are closed.
func (l *deadLetter) hold() {
	q := l.message.queue
	q.update(func(d *delivery) {
		if d.assignment.phase != PhaseLost {
			if l.blocked {
				d.blocked--
			}
			d.redelivery.hold(l.message)
			d.changed()
		}
	})
}

// written ends the message: the dead letters have confirmed it, or there are none.
func (l *deadLetter) written(e Entry, confirmed bool) {
	q := l.message.queue
	q.update(func(d *delivery) {
		a := &d.assignment
		a.after.log(e)
		if a.phase != PhaseLost {
			if l.blocked {
				d.blocked--
			}
			if confirmed {
				a.counters.DeadLettered++
			} else {
				a.counters.Skipped++
			}
			a.settle(l.message)
			d.changed()
		}
	})
}

// pause waits for d, or until the queue is lost. The beginning of a stop ends a pause once, since
// that stop may have closed the dead letters. pause returns stopping, and nil after it has ended a
// pause.
func (l *deadLetter) pause(d time.Duration, stopping chan struct{}) chan struct{} {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.message.queue.ctx.Done():
	case <-stopping:
		return nil
	}
	return stopping
}
