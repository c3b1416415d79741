package consumer_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// A message that no consumer has delivered has no properties, and settling it does nothing.
func TestZeroMessageIsHarmless(t *testing.T) {
	t.Parallel()
	m := &consumer.Message[string]{Value: "x"}
	require.Empty(t, m.Stream()+m.Topic()+m.Key()+m.Header("a"))
	require.Zero(t, m.Partition())
	require.Zero(t, m.Offset())
	require.Zero(t, m.ID())
	require.Zero(t, m.Timestamp())
	require.Zero(t, m.OriginTimestamp())
	require.Nil(t, m.Payload())
	require.Nil(t, m.Headers())
	require.Zero(t, m.Deliveries())
	require.Equal(t, topic.Origin{}, m.Origin())
	require.Equal(t, context.Background(), m.Context())
	m.Ack()
	m.Nack(errors.New("x"))
	require.NoError(t, m.AckSync(t.Context()))
}
