package consumer

import (
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// about are the fields that tell a message and its failure, in each log entry about one;
// stream, topic, group and partition are the logger's. The trace is that of whoever published it.
// Nothing of the payload is among them.
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

// complain has a failed delivery logged. p.mu is held.
func (p *partition) logFailure(msg *message, delivery int, err error, what string, more ...zap.Field) {
	if !p.log.Core().Enabled(zap.WarnLevel) {
		return
	}
	fields := append(failureFields(msg, delivery, topic.CodeOf(err), err), more...)
	p.deferLog(func() { p.log.Warn(what, fields...) })
}

// complainAgain is complain for a message that will be delivered again.
func (p *partition) logRetry(msg *message, delivery int, delay time.Duration, err error) {
	p.logFailure(msg, delivery, err, "delivery failed, the message comes again", zap.Duration("delay", delay))
}

// complainTogether is complainAgain for messages of a batch that failed together. p.mu is held.
func (p *partition) logBatchRetry(messages []*message, delay time.Duration, err error) {
	if len(messages) == 0 {
		return
	}
	p.logFailure(messages[0], messages[0].deliveries-messages[0].untried, err, "delivery of a batch failed, its messages come again",
		zap.Int("count", len(messages)), zap.Duration("delay", delay))
}

// noteDropped logs a message that the application wants no more of. p.mu is held.
func (p *partition) logDropped(msg *message, delivery int, err error) {
	if !p.log.Core().Enabled(zap.DebugLevel) {
		return
	}
	fields := failureFields(msg, delivery, "", err)
	p.deferLog(func() { p.log.Debug("message dropped", fields...) })
}
