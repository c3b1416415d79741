package consumertest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/consumer/consumertest"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

type order struct{ ID string }

func TestMessageHasWhatTheTestSets(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	origin := topic.Origin{
		Stream: "shop", Topic: "orders", Partition: 3, Offset: 41, ID: [16]byte{1}, Group: "billing",
		Timestamp: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
	}
	m := consumertest.NewMessage(order{"7"}, consumertest.WithOrigin(origin), consumertest.WithKey("acme"),
		consumertest.WithHeaders(topic.Header{Key: "tenant", Value: "a"}, topic.Header{Key: "b", Value: "c"}),
		consumertest.WithPayload([]byte("raw")), consumertest.WithDeliveries(2), consumertest.WithContext(ctx))
	require.Equal(t, order{"7"}, m.Value)
	require.Equal(t, origin, m.Origin())
	require.Equal(t, "shop/orders/3", fmt.Sprintf("%s/%s/%d", m.Stream(), m.Topic(), m.Partition()))
	require.EqualValues(t, 41, m.Offset())
	require.Equal(t, origin.ID, m.ID())
	require.Equal(t, origin.Timestamp, m.Timestamp())
	require.Equal(t, "acme", m.Key())
	require.Equal(t, []topic.Header{{Key: "tenant", Value: "a"}, {Key: "b", Value: "c"}}, m.Headers())
	require.Equal(t, "a", m.Header("Tenant"))
	require.Equal(t, "raw", string(m.Payload()))
	require.Equal(t, 2, m.Deliveries())
	cancel(consumer.ErrLost)
	require.ErrorIs(t, context.Cause(m.Context()), consumer.ErrLost)
}

func TestMessageIsComplete(t *testing.T) {
	t.Parallel()
	m, other := consumertest.NewMessage(order{"7"}), consumertest.NewMessage(order{"7"})
	require.NotEqual(t, m.ID(), other.ID())
	require.Equal(t, 1, m.Deliveries())
	require.WithinDuration(t, time.Now(), m.Timestamp(), time.Minute)
	require.NoError(t, m.Context().Err())
}

func TestFirstSettlementCounts(t *testing.T) {
	t.Parallel()
	cause := errors.New("no stock")
	for name, tt := range map[string]struct {
		settle func(m *consumer.Message[order])
		acked  bool
		err    error
	}{
		"none":           {func(*consumer.Message[order]) {}, false, nil},
		"ack":            {func(m *consumer.Message[order]) { m.Ack(); m.Nack(cause) }, true, nil},
		"nack":           {func(m *consumer.Message[order]) { m.Nack(cause); m.Ack() }, false, cause},
		"wait for a ack": {func(m *consumer.Message[order]) { require.NoError(t, m.AckSync(t.Context())) }, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := consumertest.NewMessage(order{"7"})
			tt.settle(m.Message)
			require.Equal(t, tt.acked, m.Acked())
			require.Equal(t, tt.err, m.NackError())
		})
	}
	m := consumertest.NewMessage(order{"7"})
	m.Nack(nil)
	require.Error(t, m.NackError())
}

func TestHeadersThatNoMessageCanHave(t *testing.T) {
	t.Parallel()
	require.PanicsWithValue(t, `consumertest: header "a": its value has 0 bytes, it must have 1 to 255`, func() {
		consumertest.NewMessage(1, consumertest.WithHeaders(topic.Header{Key: "a"}))
	})
}

// A test of a handler needs no consumer and no server.
func ExampleNewMessage() {
	handle := func(_ context.Context, m *consumer.Message[order]) error {
		if m.Header("tenant") == "" {
			return consumer.Permanent(errors.New("no tenant"))
		}
		m.Ack()
		return nil
	}

	m := consumertest.NewMessage(order{ID: "7"}, consumertest.WithHeaders(topic.Header{Key: "tenant", Value: "acme"}))
	fmt.Println(handle(context.Background(), m.Message), m.Acked())
	m = consumertest.NewMessage(order{ID: "8"})
	fmt.Println(handle(context.Background(), m.Message), m.Acked())
	// Output:
	// <nil> true
	// no tenant false
}
