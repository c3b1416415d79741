package consumer

import (
	"context"
	"slices"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Message is one delivery of a message. A redelivery is another Message, and settling the old one
// has no effect then.
//
// Its methods are safe for concurrent use. After the partition is lost (see ErrLost and Context)
// they still work, but Ack and Nack only say that the application does not use the message any
// more. That matters: until then the message counts for max_in_flight, and this consumer delivers
// no message of its partition. So settle every message by Ack or Nack. A message without a
// reference to it counts until the garbage collector finds it.
//
// Consumers make messages, and package consumertest does for tests. One that is made in another way
// has its Value and nothing else, and settling it does nothing.
type Message[T any] struct {
	// Value is the decoded message.
	Value T

	d delivery // nil: nobody delivered it
}

// delivery returns the delivery of the message.
func (m *Message[T]) delivery() delivery {
	if m.d == nil {
		return undelivered
	}
	return m.d
}

// Stream returns the stream of the message.
func (m *Message[T]) Stream() string { return m.delivery().source().stream }

// Topic returns the topic of the message.
func (m *Message[T]) Topic() string { return m.delivery().source().topic }

// Partition returns the partition of the message, from 0.
func (m *Message[T]) Partition() uint32 { return m.delivery().source().partition }

// Offset returns the offset of the message in its partition, from 0.
func (m *Message[T]) Offset() uint64 { return m.delivery().raw().Offset }

// ID returns the message's id: a UUIDv7 when this library sent it.
func (m *Message[T]) ID() [16]byte { return m.delivery().raw().ID }

// Key returns the partition key that the consumer's topic finds in the message; empty when it has
// none. Messages of one key are handled in order and one at a time. A producer may have used
// another key, for example by producer.WithKey: keys are not stored, unless topic.StoreKey says so.
func (m *Message[T]) Key() string { return m.delivery().key() }

// Timestamp returns when the server stored the message, in UTC.
func (m *Message[T]) Timestamp() time.Time { return timeOf(m.delivery().raw().Timestamp) }

// OriginTimestamp returns when the message was created, by the clock of its sender, in UTC.
func (m *Message[T]) OriginTimestamp() time.Time {
	return timeOf(m.delivery().raw().OriginTimestamp)
}

// Payload returns the message's payload as it is stored. It must not be changed. The payload is
// available until the message is settled, and after a call of Payload for as long as you keep it. A
// first call after the message was settled may return nil, since the memory is reused.
func (m *Message[T]) Payload() []byte { return m.delivery().payload() }

// Headers decodes the message's user headers. Those after a malformed one are left out.
func (m *Message[T]) Headers() []topic.Header { return slices.Collect(m.delivery().headers().All()) }

// Header returns the value of the first user header with that key, in any case of letters; empty
// when there is none.
func (m *Message[T]) Header(key string) string { return m.delivery().headers().Get(key) }

// Deliveries returns how often the message was delivered to the application since its partition was
// assigned, this delivery included. The failed deliveries of a message before it was parked are
// included, too.
func (m *Message[T]) Deliveries() int { return m.delivery().deliveries() }

// Attempts returns how many of the deliveries count for max_deliveries, this one included: those
// that ended with Unavailable or Postpone, or because of a stop, do not.
func (m *Message[T]) Attempts() int { return m.delivery().attempts() }

// Context ends when it is of no use to work on the message any more: its partition was lost (with
// the cause ErrLost), so that the message is delivered again, here or elsewhere, or the time for
// stopping is over (ErrStopDeadline). It may end at any time after the message was acknowledged. A
// handler gets it as ctx, with the handler's timeout; users of Next and Messages ask for it here.
func (m *Message[T]) Context() context.Context { return m.delivery().context() }

// Origin returns where the message was read.
func (m *Message[T]) Origin() topic.Origin { return originOf(m.delivery()) }

// Ack acknowledges the message. Its offset is committed once all messages before it in its
// partition are acknowledged, too. Only the first of Ack and Nack on a message counts.
func (m *Message[T]) Ack() { m.delivery().ack() }

// Nack says that the message could not be handled because of err: it is redelivered after a backoff
// or goes to the dead letters, as after a handler's error. Permanent, RetryAfter and Drop work
// here, too. err may be nil. Nack has no effect after the message's partition was lost, and after
// the time for stopping is over.
func (m *Message[T]) Nack(err error) { m.delivery().nack(err) }

// AckSync acknowledges the message and waits until its offset is committed, which happens when all
// messages before it in its partition are acknowledged. It returns ErrLost when the partition is
// lost first: then the message is delivered again. When ctx ends first, the message stays
// acknowledged. A handler that waits here occupies one of the concurrency handlers, which a message
// before it may need for its redelivery: use a ctx with a deadline, or wait in another goroutine.
func (m *Message[T]) AckSync(ctx context.Context) error {
	if err := argument.Context(ctx); err != nil {
		return err
	}
	m.Ack()
	return m.delivery().awaitCommit(ctx)
}

// rawMessage returns a message of q as it is stored, without its key. A parked message is as it was
// stored before it was parked.
func rawMessage(q *deliver.Queue, d *deliver.Message) topic.RawMessage {
	at, raw := sourceOf(q, d), (*consumed)(d).raw()
	return topic.RawMessage{
		Stream: at.stream, Topic: at.topic, Partition: at.partition, Offset: raw.Offset, ID: raw.ID,
		Timestamp: timeOf(raw.Timestamp), OriginTimestamp: timeOf(raw.OriginTimestamp), Payload: raw.Payload, Headers: raw.Headers,
	}
}

// originOf returns where a message was read.
func originOf(d delivery) topic.Origin {
	at, raw := d.source(), d.raw()
	return topic.Origin{
		Stream: at.stream, Topic: at.topic, Partition: at.partition, Offset: raw.Offset, ID: raw.ID,
		Group: at.group, Timestamp: timeOf(raw.Timestamp),
	}
}

// timeOf returns the time of a timestamp in microseconds, in UTC. Of 0 it is the zero time.
func timeOf(micros uint64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(micros)).UTC()
}
