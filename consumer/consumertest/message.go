// Package consumertest makes messages for tests of handlers, without a consumer and a server.
package consumertest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/testmessage"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Message is a message for a test. It remembers its Ack or Nack; as with a consumer, only the first
// of them counts. Its methods are safe for concurrent use.
type Message[T any] struct {
	*consumer.Message[T]

	settlement settlement
}

// settlement is the first Ack or Nack of a message.
type settlement struct {
	mu      sync.Mutex
	settled bool
	err     error // of Nack; nil after Ack
}

func (s *settlement) settle(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.settled {
		s.settled, s.err = true, err
	}
}

// NewMessage returns the first delivery of a message with this value, an id of its own and the
// present time as its timestamp; the options set everything else. It is in no partition of a server,
// so AckSync returns at once. NewMessage panics for headers that no message can have.
//
// A handler gets the embedded message:
//
//	m := consumertest.NewMessage(Order{ID: "7"}, consumertest.WithKey("acme"))
//	err := handler(ctx, m.Message)
func NewMessage[T any](value T, opts ...Option) *Message[T] {
	raw := &wire.Message{ID: uuid.Must(uuid.NewV7()), Timestamp: uint64(time.Now().UnixMicro())}
	m := &Message[T]{Message: &consumer.Message[T]{Value: value}}
	o := options{testmessage.Delivery{Raw: raw, Deliveries: 1, Settle: m.settlement.settle}}
	for _, opt := range opts {
		opt(&o)
	}
	testmessage.Attach(m.Message, &o.Delivery)
	return m
}

// Acked reports whether the message was acknowledged.
func (m *Message[T]) Acked() bool {
	m.settlement.mu.Lock()
	defer m.settlement.mu.Unlock()
	return m.settlement.settled && m.settlement.err == nil
}

// NackError returns the error of Nack, which is never nil, and nil when the message was not nacked.
func (m *Message[T]) NackError() error {
	m.settlement.mu.Lock()
	defer m.settlement.mu.Unlock()
	return m.settlement.err
}

// Option changes a message while NewMessage makes it.
type Option func(*options)

type options struct{ testmessage.Delivery }

// WithKey sets the message's partition key.
func WithKey(key string) Option { return func(o *options) { o.Key = key } }

// WithHeaders adds user headers.
func WithHeaders(headers ...topic.Header) Option {
	return func(o *options) {
		for _, h := range headers {
			for what, text := range map[string]string{"key": h.Key, "value": h.Value} {
				if n := len(text); n == 0 || n > 255 {
					panic(fmt.Sprintf("consumertest: header %q: its %s has %d bytes, it must have 1 to 255", h.Key, what, n))
				}
			}
			o.Raw.Headers = wire.AppendHeader(o.Raw.Headers, h.Key, h.Value)
		}
	}
}

// WithPayload sets the payload as it is stored. Without it there is none: the value is not encoded.
func WithPayload(payload []byte) Option {
	return func(o *options) { o.Raw.Payload = payload }
}

// WithOrigin sets where the message was read: stream, topic, partition, offset, group, id and
// timestamp. Without an id or a timestamp the message keeps its own.
func WithOrigin(from topic.Origin) Option {
	return func(o *options) {
		o.Stream, o.Topic, o.Group, o.Partition, o.Raw.Offset = from.Stream, from.Topic, from.Group, from.Partition, from.Offset
		if from.ID != ([16]byte{}) {
			o.Raw.ID = from.ID
		}
		if !from.Timestamp.IsZero() {
			o.Raw.Timestamp = uint64(from.Timestamp.UnixMicro())
		}
	}
}

// WithDeliveries sets how often the message was delivered, this delivery included.
func WithDeliveries(n int) Option { return func(o *options) { o.Deliveries = n } }

// WithContext sets the context of the message, which ends when its partition is lost.
func WithContext(ctx context.Context) Option {
	return func(o *options) { o.Context = ctx }
}
