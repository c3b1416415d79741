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
func about(r *message, attempt int, code string, err error) []zap.Field {
	fields := []zap.Field{
		zap.Uint64("offset", r.raw.Offset), zap.String("message_id", uuid.UUID(r.raw.ID).String()),
		zap.Int("attempt", attempt), zap.Error(err),
	}
	if code != "" {
		fields = append(fields, zap.String("code", code))
	}
	if publisher := publisherOf(r); publisher.IsValid() {
		fields = append(fields, zap.Stringer("trace_id", publisher.TraceID()))
	}
	return fields
}

// complain has a failed delivery logged. p.mu is held.
func (p *partition) complain(r *message, delivery int, err error, what string, more ...zap.Field) {
	if !p.log.Core().Enabled(zap.WarnLevel) {
		return
	}
	fields := append(about(r, delivery, topic.CodeOf(err), err), more...)
	p.say(func() { p.log.Warn(what, fields...) })
}

// complainAgain is complain for a message that will be delivered again.
func (p *partition) complainAgain(r *message, delivery int, delay time.Duration, err error) {
	p.complain(r, delivery, err, "delivery failed, the message comes again", zap.Duration("delay", delay))
}

// complainTogether is complainAgain for messages of a batch that failed together. p.mu is held.
func (p *partition) complainTogether(messages []*message, delay time.Duration, err error) {
	if len(messages) == 0 {
		return
	}
	p.complain(messages[0], messages[0].deliveries-messages[0].returns, err, "delivery of a batch failed, its messages come again",
		zap.Int("count", len(messages)), zap.Duration("delay", delay))
}

// noteDropped logs a message that the application wants no more of. p.mu is held.
func (p *partition) noteDropped(r *message, delivery int, err error) {
	if !p.log.Core().Enabled(zap.DebugLevel) {
		return
	}
	fields := about(r, delivery, "", err)
	p.say(func() { p.log.Debug("message dropped", fields...) })
}

// speakUp logs what was left to say. p.mu is held, and released meanwhile.
func (p *partition) speakUp() {
	if len(p.unsaid) == 0 {
		return
	}
	p.mu.Unlock()
	defer p.mu.Lock()
	p.speak()
}
