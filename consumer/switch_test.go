package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/consumer/consumertest"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// event is what the messages of the topic events have in common.
type event interface{ OrderID() string }

type orderPlaced struct{ ID, Customer string }

func (o orderPlaced) OrderID() string { return o.ID }

type orderPaid struct {
	ID    string
	Cents int
}

func (o *orderPaid) OrderID() string { return o.ID }

type orderShipped struct{ ID string }

func (o orderShipped) OrderID() string { return o.ID }

var events = topic.New("s", "t", topic.OneOf[event](
	topic.Type("order.placed", topic.JSON[orderPlaced]()),
	topic.Type("order.paid", topic.JSON[*orderPaid]()),
	topic.Type("order.shipped", topic.JSON[orderShipped]()),
), topic.Key(event.OrderID))

// eventSink keeps dead letters.
type eventSink chan topic.Failure[event]

func (s eventSink) DeadLetter(_ context.Context, f topic.Failure[event]) error {
	s <- f
	return nil
}

// Messages of several types go to the cases of their types. One of a type that the topic does not
// know can't be decoded, and one of a type without a case fails for good; both name the type.
func TestSeveralTypesInOneTopic(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	p, err := producer.New(e.iggy, config.Default().Producer)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, p.Stop(context.Background())) })

	got, box := make(chan string, 10), make(eventSink, 10)
	c, err := consumer.New(e.iggy, fastConfig(), events)
	require.NoError(t, err)
	require.NoError(t, c.SetDeadLetters(box))
	require.NoError(t, c.Handle(consumer.Switch(
		consumer.Case(func(_ context.Context, m *consumer.Message[event], v orderPlaced) error {
			got <- fmt.Sprint("placed by ", v.Customer, " ", m.Key(), " ", m.Header("message-type"))
			return nil
		}),
		consumer.Case(func(_ context.Context, _ *consumer.Message[event], v *orderPaid) error {
			got <- fmt.Sprint("paid ", v.Cents)
			return nil
		}),
	)))
	require.NoError(t, c.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, c.Stop(context.Background())) })

	pub := producer.For(p, events)
	require.NoError(t, pub.PublishAll(t.Context(), []event{orderPlaced{"7", "ada"}, &orderPaid{"7", 250}}))
	require.Equal(t, "placed by ada 7 order.placed", received(t, "a placed order", got))
	require.Equal(t, "paid 250", received(t, "a paid order", got))

	_, err = pub.Publish(t.Context(), orderShipped{"8"})
	require.NoError(t, err)
	f := received(t, "a dead letter", box)
	require.Equal(t, topic.CodeHandler, f.Code)
	require.EqualError(t, f.Err, "iggy: no case for a message of type consumer_test.orderShipped")
	require.Equal(t, 1, f.Attempts, "it fails for good")
	require.Equal(t, orderShipped{"8"}, f.Value)

	_, err = p.Send(t.Context(), producer.Message{
		Stream: "s", Topic: "t", Payload: []byte(`{}`), Headers: []topic.Header{{Key: "message-type", Value: "order.lost"}},
	})
	require.NoError(t, err)
	f = received(t, "a dead letter", box)
	require.Equal(t, topic.CodeDecode, f.Code)
	require.ErrorIs(t, f.Err, topic.ErrUnknownType)
	require.ErrorContains(t, f.Err, `"order.lost"`)
	require.False(t, f.Decoded)

	_, err = pub.Publish(t.Context(), nil)
	require.ErrorIs(t, err, topic.ErrUnknownType)
	m, err := producer.Encode(events, event(orderPlaced{"7", "ada"}))
	require.NoError(t, err)
	require.Equal(t, []topic.Header{{Key: "content-type", Value: "application/json"}, {Key: "message-type", Value: "order.placed"}}, m.Headers)
	_, err = producer.Encode(events, nil)
	require.ErrorIs(t, err, topic.ErrUnknownType)
}

func TestSwitchTakesTheFirstCaseThatMatches(t *testing.T) {
	t.Parallel()
	var took string
	handler := consumer.Switch(
		consumer.Case(func(_ context.Context, _ *consumer.Message[event], _ orderPlaced) error { took = "placed"; return nil }),
		consumer.TypeCase[event]{},
		consumer.Case(func(_ context.Context, _ *consumer.Message[event], v event) error {
			took = "any " + v.OrderID()
			return errors.New("no stock")
		}),
		consumer.Case(func(_ context.Context, _ *consumer.Message[event], _ *orderPaid) error { took = "paid"; return nil }),
	)
	require.NoError(t, handler(t.Context(), consumertest.NewMessage[event](orderPlaced{ID: "7"}).Message))
	require.Equal(t, "placed", took)
	require.EqualError(t, handler(t.Context(), consumertest.NewMessage[event](&orderPaid{ID: "8"}).Message), "no stock")
	require.Equal(t, "any 8", took)
	require.ErrorContains(t, handler(t.Context(), consumertest.NewMessage[event](nil).Message), "no case for a message of type <nil>")
	require.Panics(t, func() { consumer.Case[event, orderPlaced](nil) })
}

// Each type of message has its handler.
func ExampleSwitch() {
	handler := consumer.Switch(
		consumer.Case(func(_ context.Context, _ *consumer.Message[event], v orderPlaced) error {
			fmt.Println("placed by", v.Customer)
			return nil
		}),
		consumer.Case(func(_ context.Context, _ *consumer.Message[event], v *orderPaid) error {
			fmt.Println("paid", v.Cents)
			return nil
		}),
	)

	for _, v := range []event{orderPlaced{Customer: "ada"}, &orderPaid{Cents: 250}, orderShipped{}} {
		if err := handler(context.Background(), consumertest.NewMessage(v).Message); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// placed by ada
	// paid 250
	// iggy: no case for a message of type consumer_test.orderShipped
}
