package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

func TestStatusAndLimits(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	cfg := fastConfig()
	cfg.MaxLag, cfg.MaxAge, cfg.MaxInFlight = 5, 20*time.Millisecond, 2
	c := e.consumer(cfg, consumer.WithName("me"))
	held := make(chan struct{})
	require.NoError(t, c.Handle(func(context.Context, *consumer.Message[string]) error {
		<-held
		return nil
	}))
	require.ErrorContains(t, c.Check(context.Background()), "not connected")
	start(t, c)
	eventually(t, "partitions", func() bool { return len(c.Status().Partitions) == 2 })
	require.NoError(t, c.Check(context.Background()))
	e.send(0, numbered("a", 4)...)
	eventually(t, "age", func() bool { return c.Check(context.Background()) != nil })
	require.ErrorContains(t, c.Check(context.Background()), "the oldest message is in flight for")
	e.send(0, numbered("b", 4)...)
	eventually(t, "lag", func() bool { return c.Status().Lag > 5 })
	require.ErrorContains(t, c.Check(context.Background()), "over 5")
	s := c.Status()
	require.Equal(t, "me", s.Name)
	require.Equal(t, "g", s.Group)
	require.True(t, s.Joined && s.Connected && s.Consuming)
	require.LessOrEqual(t, s.InFlight, 2)
	close(held)
	eventually(t, "order again", func() bool { return c.Check(context.Background()) == nil })
	stop(t, c)

	spare := e.consumer(fastConfig())
	first := e.worker(fastConfig(), newHandlerLog(), 0)
	second := e.worker(fastConfig(), newHandlerLog(), 0)
	require.NoError(t, spare.Handle(func(context.Context, *consumer.Message[string]) error { return nil }))
	start(t, spare)
	waitForAssignment(t, []*consumer.Consumer[string]{first, second, spare}, 0, 1, 1)
	eventually(t, "the spare's membership", func() bool { return spare.Status().Joined })
	require.NoError(t, spare.Check(context.Background()), "others hold all partitions")
}
