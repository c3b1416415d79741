package consumer

import (
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// failureFields are the fields of each log entry about a message and its failure. Stream, topic,
// group and partition are fields of the logger. The trace is that of the publisher. They contain
// nothing of the payload.
func failureFields(msg *message, attempt int, code string, err error) []zap.Field {
	fields := []zap.Field{
		zap.Uint64("offset", msg.raw.Offset), zap.String("message_id", uuid.UUID(msg.raw.ID).String()),
		zap.Int("attempt", attempt), zap.Error(err),
	}
	if code != "" {
		fields = append(fields, zap.String("code", code))
	}
	if publisher := publisherOf(msg); publisher.IsValid() {
		fields = append(fields, zap.Stringer("trace_id", publisher.TraceID()))
	}
	return fields
}

// logFailure logs a failed delivery. p.mu is held.
func (p *partition) logFailure(msg *message, delivery int, err error, what string, more ...zap.Field) {
	if !p.log.Core().Enabled(zap.WarnLevel) {
		return
	}
	fields := append(failureFields(msg, delivery, topic.CodeOf(err), err), more...)
	p.deferLog(func() { p.log.Warn(what, fields...) })
}

// logRetry logs a failed delivery of a message that will be redelivered. p.mu is held.
func (p *partition) logRetry(msg *message, delivery int, delay time.Duration, err error) {
	p.logFailure(msg, delivery, err, "delivery failed, retrying", zap.Duration("delay", delay))
}

// logBatchRetry logs a failed delivery of messages of a batch that will be redelivered. p.mu is
// held.
func (p *partition) logBatchRetry(messages []*message, delay time.Duration, err error) {
	if len(messages) == 0 {
		return
	}
	p.logFailure(messages[0], messages[0].deliveries-messages[0].untried, err, "delivery of a batch failed, retrying",
		zap.Int("count", len(messages)), zap.Duration("delay", delay))
}

// logDropped logs a message that the application dropped. p.mu is held.
func (p *partition) logDropped(msg *message, delivery int, err error) {
	if !p.log.Core().Enabled(zap.DebugLevel) {
		return
	}
	fields := failureFields(msg, delivery, "", err)
	p.deferLog(func() { p.log.Debug("message dropped", fields...) })
}
