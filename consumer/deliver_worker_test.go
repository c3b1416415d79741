package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// When another member gets partitions, the remaining ones may use their workers at once, and not
// only when one of their own returns.
func TestWorkersOfLostPartitionsAreReused(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	for p := range uint32(2) {
		e.send(p, numbered("", 2)...)
	}
	cfg := fastConfig()
	cfg.Concurrency, cfg.FairAssignment, cfg.DrainTimeout = 2, false, 10*time.Millisecond
	c := e.consumer(cfg)
	working := make(chan location, 4)
	require.NoError(t, c.Handle(func(ctx context.Context, m *consumer.Message[string]) error {
		working <- locationOf(m)
		<-ctx.Done()
		return ctx.Err()
	}))
	start(t, c)
	require.ElementsMatch(t, []location{{0, 0}, {1, 0}}, []location{received(t, "a handler", working), received(t, "a handler", working)})

	// Another member, which handles nothing.
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	require.NoError(t, e.conn.Join(ctx, transport.Group{Stream: e.stream, Topic: "t", Name: "g"}))
	require.NoError(t, e.server.Rebalance("s", "t", "g"))
	stays := received(t, "the second message of the partition that stays", working)
	require.EqualValues(t, 1, stays.offset)
	require.Equal(t, stays.partition, c.Status().Partitions[0].ID)
}
