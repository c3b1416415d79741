package consumer

import (
	"context"
	"fmt"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// quarantineBackoff is the longest pause between attempts to write a dead letter.
const quarantineBackoff = 10 * time.Second

// bury gives a message up: it goes to the dead letters, and counts as
// acknowledged when they have confirmed it. Where the topic has none it is logged,
// counted and passed over. p.mu is held.
func (p *partition) bury(r *message, cause error) {
	p.turn(r, messageBuried)
	r.cause = cause
	r.answer.keep() // whoever writes the dead letter may keep the payload
	p.buried++
	attempts := r.deliveries - r.returns
	if !p.e.crew.run(func() { p.quarantine(r, cause, attempts) }) {
		p.buried-- // the consumer is stopped; the message comes again
	}
}

// quarantine writes r to the dead letters, for as long as it is this
// consumer's. While they can't be written the partition waits and says so.
func (p *partition) quarantine(r *message, cause error, attempts int) {
	code := topic.CodeOf(cause)
	if attempts == 0 {
		code = topic.CodeDecode
	}
	fields := about(r, attempts, code, cause)
	if !p.e.typed.hasDeadLetters() {
		p.log.Error("message given up; the topic has no dead letters", fields...)
		p.passed(r, false)
		return
	}
	blocked := false
	policy := untilItHolds(p.e.cfg.Retry.Backoff, quarantineBackoff, func(err error, attempt int) {
		p.log.Error("dead letter not written, the partition waits",
			zap.Uint64("offset", r.raw.Offset), zap.String("message_id", uuid.UUID(r.raw.ID).String()), zap.Int("attempt", attempt), zap.Error(err))
		p.mu.Lock()
		if !blocked {
			blocked = true
			p.blocked++
		}
		p.e.note(fmt.Errorf("iggy: %s/%d: dead letters cannot be written: %w", p.e.who.Topic, p.id, err))
		p.mu.Unlock()
	})
	err := policy.WithContext(p.ctx).RunWithExecution(func(exec failsafe.Execution[any]) error {
		if p.ctx.Err() != nil {
			return context.Cause(p.ctx)
		}
		return p.e.typed.deadLetter(exec.Context(), r, cause, code, attempts)
	})
	if err != nil {
		return // lost or stopping: the message comes again
	}
	p.log.Warn("message given up to the dead letters", fields...)
	p.mu.Lock()
	if blocked {
		p.blocked--
	}
	p.mu.Unlock()
	p.passed(r, true)
}

// passed ends a message that was given up.
func (p *partition) passed(r *message, confirmed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == phaseLost {
		return
	}
	p.buried--
	if confirmed {
		p.tally.buried++
	} else {
		p.tally.skipped++
	}
	p.finish(r)
	p.settled()
}
