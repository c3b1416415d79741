package deadletter_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/deadletter"
)

func TestReplayGoesToWhereTheMessageCameFrom(t *testing.T) {
	t.Parallel()
	own := encoded("content-encoding", "br", "tenant", "a", "traceparent", "00-1-2-01")
	l, err := read(write(t, failureOf([]byte{0xff}, own)))
	require.NoError(t, err)
	var s sent
	require.NoError(t, deadletter.Replay(t.Context(), &s, l, 0))
	m := s.last()
	require.Equal(t, "shop/orders", m.Stream+"/"+m.Topic)
	require.False(t, m.ByKey)
	require.EqualValues(t, 3, m.Partition)
	require.Equal(t, []byte{0xff}, m.Payload)
	require.Equal(t, append(encoded("replay-of", "orders.billing.dlq/1/12"), own...), m.Headers)
	require.Equal(t, created, m.OriginTimestamp)
	first := m.ID
	require.NotEqual(t, origin.ID, first, "it is not a duplicate of the message that failed")
	require.EqualValues(t, 0x80, first[6]&0xf0, "a UUID of version 8")

	require.NoError(t, deadletter.Replay(t.Context(), &s, l, 0))
	require.Equal(t, first, s.last().ID, "a repetition is a duplicate")
	require.NoError(t, deadletter.Replay(t.Context(), &s, l, 1))
	require.NotEqual(t, first, s.last().ID)
	l.Origin.Group = "shipping"
	require.NoError(t, deadletter.Replay(t.Context(), &s, l, 0))
	require.NotEqual(t, first, s.last().ID, "another group has failures of its own")

	// The message fails again.
	l, err = read(write(t, failureOf(m.Payload, m.Headers)))
	require.NoError(t, err)
	require.NoError(t, deadletter.Replay(t.Context(), &s, l, 0))
	require.Equal(t, m.Headers, s.last().Headers, "it is a replay of one dead letter")
}

func TestReplayOfAMessageWithItsKey(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"partition-key", "Partition-Key"} {
		l, err := read(write(t, failureOf([]byte("x"), encoded("tenant", "a", key, "job-7"))))
		require.NoError(t, err)
		var s sent
		require.NoError(t, deadletter.Replay(t.Context(), &s, l, 0))
		require.True(t, s.last().ByKey)
		require.Equal(t, "job-7", s.last().Key, "and not the key that the consumer has found")
	}
}
