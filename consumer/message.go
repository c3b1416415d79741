package consumer

import (
	"context"
	"strings"
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Message is one delivery of a message. A message that is delivered again comes
// as another Message; what is done with the old one has no effect then.
//
// Its methods may be used concurrently. After the partition is lost (see
// ErrLost and Context) they work still, but acknowledging only says that the application is
// done with it. That counts: until then the message keeps its place among the
// max_in_flight messages, and nothing of its partition is handed out
// here. So end every message by Ack or Nack. One that is forgotten
// counts until the garbage collector finds it.
type Message[T any] struct {
	// Value is the decoded message.
	Value T

	msg      *message
	delivery int
}

// Stream is the stream that the message was read from.
func (m *Message[T]) Stream() string { return m.msg.partition.e.identity.Stream }

// Topic is the topic that the message was read from.
func (m *Message[T]) Topic() string { return m.msg.partition.e.identity.Topic }

// Partition is the partition that the message was read from; ids start at 0.
func (m *Message[T]) Partition() uint32 { return m.msg.partition.id }

// Offset is the message's place in its partition, from 0.
func (m *Message[T]) Offset() uint64 { return m.msg.raw.Offset }

// ID is the message's id: a UUIDv7 when this library wrote it.
func (m *Message[T]) ID() [16]byte { return m.msg.raw.ID }

// Key is the partition key that the consumer's topic finds in the message; empty when it has none. Messages of one
// key are handled in order and one at a time. It is not what the producer used if that had another
// key, by producer.WithKey for example: keys are not stored. See topic.Key.
func (m *Message[T]) Key() string { return m.msg.key }

// Timestamp is when the server stored the message, in UTC.
func (m *Message[T]) Timestamp() time.Time { return time.UnixMicro(int64(m.msg.raw.Timestamp)).UTC() }

// OriginTimestamp is when the message was made, by the clock of who made it, in UTC.
func (m *Message[T]) OriginTimestamp() time.Time {
	return time.UnixMicro(int64(m.msg.raw.OriginTimestamp)).UTC()
}

// Payload is the message's payload as it is stored, which must not be changed.
// It is there until the message is settled, and for as long as you like once you asked
// for it; who asks only afterwards may get nil, since the memory is used again.
func (m *Message[T]) Payload() []byte {
	p, r := m.msg.partition, m.msg.result
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.recycled {
		return nil
	}
	r.retainPayloads()
	return m.msg.raw.Payload
}

// Headers decodes the message's user headers. Those behind a malformed one are left out.
func (m *Message[T]) Headers() []topic.Header { return headersOf(m.msg) }

// Header is the value of the first user header with that key, which is lower
// case by convention; empty when there is none.
func (m *Message[T]) Header(key string) string { return headerOf(m.msg, key) }

// Deliveries is how often the message was given to the application, this time
// included, since its partition was assigned.
func (m *Message[T]) Deliveries() int { return m.delivery }

// Context ends when there is no use in going on with the message: its partition
// was lost (with the cause ErrLost), and it comes again, here or elsewhere, or the
// time for stopping is over (ErrStopDeadline). It may end at any time after
// the message was acknowledged. A handler gets it as ctx, with the
// handler's timeout; with Next and Messages it is the way to know.
func (m *Message[T]) Context() context.Context { return m.msg.partition.ctx }

// Origin tells where the message was read.
func (m *Message[T]) Origin() topic.Origin { return originOf(m.msg) }

// Ack acknowledges the message: it is done. Its offset is committed once all
// messages before it in its partition are acknowledged, too. Only the first
// of Ack and Nack on a message counts.
func (m *Message[T]) Ack() {
	p := m.msg.partition
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ack(m.msg, m.delivery)
	p.afterSettle()
}

// Nack says that the message could not be handled because of err: it is
// delivered again after a pause, or goes to the dead letters, as a handler's
// returned error does. Permanent, RetryAfter and Drop work here, too. A nil
// err is allowed. After the message's partition was lost, or while the
// consumer stops and its time is over, it has no effect.
func (m *Message[T]) Nack(err error) {
	if err == nil {
		err = errNacked
	}
	err = safeError(err)
	p := m.msg.partition
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nack(m.msg, m.delivery, err)
	p.afterSettle()
	p.flushLogsUnlocked()
}

// AckSync acknowledges the message and waits until its offset is stored, which
// takes until all messages before it in its partition are acknowledged. It
// fails with ErrLost when the partition goes elsewhere first: then the message
// comes again. When ctx ends first the message stays acknowledged. A handler that
// waits here holds one of the concurrency handlers, which a message
// before it may need for its next delivery: bound ctx, or let it wait elsewhere.
func (m *Message[T]) AckSync(ctx context.Context) error {
	m.Ack()
	return m.msg.partition.waitCommitted(ctx, m.msg.seq)
}

func headersOf(msg *message) []topic.Header {
	var headers []topic.Header
	_ = wire.RangeHeaders(msg.raw.Headers, func(key, value string) bool {
		headers = append(headers, topic.Header{Key: key, Value: value})
		return true
	})
	return headers
}

func headerOf(msg *message, key string) (found string) {
	_ = wire.RangeHeaders(msg.raw.Headers, func(k, value string) bool {
		if !strings.EqualFold(k, key) {
			return true
		}
		found = value
		return false
	})
	return found
}

func originOf(msg *message) topic.Origin {
	who := msg.partition.e.identity
	return topic.Origin{
		Stream: who.Stream, Topic: who.Topic, Partition: msg.partition.id, Offset: msg.raw.Offset, ID: msg.raw.ID,
		Group: who.Name, Timestamp: time.UnixMicro(int64(msg.raw.Timestamp)).UTC(),
	}
}
