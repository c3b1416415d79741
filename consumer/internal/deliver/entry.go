package deliver

import (
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Entry is an entry for the log about one message, or about several that failed together. It has
// nothing of the payload.
type Entry struct {
	Level   zapcore.Level
	Text    string
	Offset  uint64
	ID      [16]byte
	Headers []byte // encoded, for the trace of the message's publisher
	Attempt int
	Code    string // of the failure; empty: none
	Err     error
	Delay   time.Duration // until the next delivery; only when Delayed
	Delayed bool
	Count   int           // of the messages that failed together; 0: one
	Elapsed time.Duration // of what is over; 0: nothing is
}

// Fields returns the fields of the entry without the trace.
func (e Entry) Fields() []zap.Field {
	fields := []zap.Field{
		zap.Uint64("offset", e.Offset), zap.String("message_id", uuid.UUID(e.ID).String()),
		zap.Int("attempt", e.Attempt), zap.Error(e.Err),
	}
	if e.Code != "" {
		fields = append(fields, zap.String("code", e.Code))
	}
	if e.Count > 0 {
		fields = append(fields, zap.Int("count", e.Count))
	}
	if e.Delayed {
		fields = append(fields, zap.Duration("delay", e.Delay))
	}
	if e.Elapsed > 0 {
		fields = append(fields, zap.Duration("elapsed", e.Elapsed))
	}
	return fields
}

// entry returns an entry about m.
func entry(level zapcore.Level, text string, m *Message, attempt int, code string, err error) Entry {
	return Entry{
		Level: level, Text: text, Offset: m.Raw.Offset, ID: m.Raw.ID, Headers: m.Raw.Headers,
		Attempt: attempt, Code: code, Err: err,
	}
}
