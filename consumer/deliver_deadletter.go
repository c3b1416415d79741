package consumer

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/internal/retry"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// deadLetterMaxBackoff is the longest backoff between attempts to write a dead letter.
const deadLetterMaxBackoff = 10 * time.Second

// giveUp gives a message up: it goes to the dead letters, and counts as acknowledged when they have
// confirmed it. Where the topic has none, the message is logged, counted and skipped. p.mu is held.
func (p *partition) giveUp(msg *message, cause error) {
	p.setState(msg, messageDeadLettering)
	msg.cause = cause
	msg.result.retainPayloads() // whoever writes the dead letter may keep the payload
	p.deadLettering++
	attempts := msg.deliveries - msg.untried
	if !p.e.deadLetterTasks.run(func() { p.writeDeadLetter(msg, cause, attempts) }) {
		p.deadLettering-- // the consumer is stopped; the message is delivered again
	}
}

// writeDeadLetter writes msg to the dead letters, and retries until that succeeds or the partition
// is lost. While they can't be written the partition waits.
func (p *partition) writeDeadLetter(msg *message, cause error, attempts int) {
	code := topic.CodeOf(cause)
	if attempts == 0 {
		code = topic.CodeDecode
	}
	fields := failureFields(msg, attempts, code, cause)
	if !p.e.typed.hasDeadLetters() {
		p.log.Error("message given up, the topic has no dead letters", fields...)
		p.deadLetterDone(msg, false)
		return
	}
	blocked := false
	backoff := p.e.cfg.Retry.Backoff
	backoff.MaxBackoff = min(backoff.MaxBackoff, deadLetterMaxBackoff)
	policy := retry.New(backoff, retry.OnRetry(func(err error, attempt int) {
		p.log.Error("writing the dead letter failed, the partition waits",
			zap.Uint64("offset", msg.raw.Offset), zap.String("message_id", uuid.UUID(msg.raw.ID).String()), zap.Int("attempt", attempt), zap.Error(err))
		p.mu.Lock()
		if !blocked {
			blocked = true
			p.blockedDeadLetters++
		}
		p.e.setLastError(fmt.Errorf("iggy: %s/%d: dead letters cannot be written: %w", p.e.identity.Topic, p.id, err))
		p.mu.Unlock()
	}))
	err := policy.Do(p.ctx, func(ctx context.Context, _ int) error {
		return p.e.typed.writeDeadLetter(ctx, msg, cause, code, attempts)
	})
	if err != nil {
		return // lost or stopping: the message is delivered again
	}
	p.log.Warn("message given up, dead letter written", fields...)
	p.mu.Lock()
	if blocked {
		p.blockedDeadLetters--
	}
	p.mu.Unlock()
	p.deadLetterDone(msg, true)
}

// deadLetterDone settles a message that was given up.
func (p *partition) deadLetterDone(msg *message, confirmed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == phaseLost {
		return
	}
	p.deadLettering--
	if confirmed {
		p.counters.deadLettered++
	} else {
		p.counters.skipped++
	}
	p.settle(msg)
	p.afterSettle()
}
