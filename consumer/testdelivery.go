package consumer

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/testmessage"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func init() {
	testmessage.Attach = func(message any, d *testmessage.Delivery) {
		message.(interface{ attach(d delivery) }).attach((*testDelivery)(d))
	}
}

func (m *Message[T]) attach(d delivery) { m.d = d }

// testDelivery is the delivery of a message that consumertest made.
type testDelivery testmessage.Delivery

// undelivered is the delivery of a message that nobody delivered.
var undelivered = &testDelivery{}

func (t *testDelivery) raw() *wire.Message {
	if t.Raw == nil {
		return &wire.Message{}
	}
	return t.Raw
}

func (t *testDelivery) headers() topic.Headers { return topic.EncodedHeaders(t.raw().Headers) }
func (t *testDelivery) key() string            { return t.Key }
func (t *testDelivery) deliveries() int        { return t.Deliveries }
func (t *testDelivery) attempts() int          { return t.Deliveries }
func (t *testDelivery) payload() []byte        { return t.raw().Payload }

func (t *testDelivery) source() source {
	return source{stream: t.Stream, topic: t.Topic, group: t.Group, partition: t.Partition}
}

func (t *testDelivery) context() context.Context {
	if t.Context == nil {
		return context.Background()
	}
	return t.Context
}

func (t *testDelivery) stopping() <-chan struct{} { return nil }

func (t *testDelivery) ack() { t.settle(nil) }

func (t *testDelivery) nack(err error) {
	if err == nil {
		err = deliver.ErrNacked
	}
	t.settle(err)
}

func (t *testDelivery) settle(err error) {
	if t.Settle != nil {
		t.Settle(err)
	}
}

func (t *testDelivery) awaitCommit(context.Context) error { return nil }
