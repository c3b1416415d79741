package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

func TestHandlesEveryMessageOnceAndStopsCleanly(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 4)
	var want []string
	for p := range uint32(4) {
		texts := numbered(string('a'+rune(p)), 50)
		want = append(want, texts...)
		e.send(p, texts...)
	}
	got := newSeen()
	handler := func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		return nil
	}
	first := e.consumer(fastConfig())
	require.NoError(t, first.Handle(handler))
	start(t, first)
	require.ElementsMatch(t, want, got.wait(t, len(want)))
	stop(t, first)
	for p := range uint32(4) {
		offset, ok := e.server.Committed("s", "t", "g", p)
		require.True(t, ok)
		require.EqualValues(t, 49, offset)
	}
	require.Zero(t, e.server.Members("s", "t", "g"))

	second := e.consumer(fastConfig())
	require.NoError(t, second.Handle(handler))
	start(t, second)
	e.send(0, "z/new")
	require.Equal(t, "z/new", got.wait(t, len(want)+1)[len(want)])
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	ctx := context.Background()
	c := e.consumer(fastConfig())
	require.NoError(t, c.Stop(ctx), "before start")
	require.NoError(t, c.Stop(ctx), "twice")
	require.ErrorIs(t, c.Start(ctx), iggyerr.ErrClosed)

	c = e.consumer(fastConfig())
	require.NoError(t, c.Start(ctx))
	require.NoError(t, c.Start(ctx), "twice")
	stop(t, c)
	stop(t, c)
	require.ErrorIs(t, c.Check(ctx), iggyerr.ErrClosed)
	require.ErrorIs(t, c.Drain(ctx), iggyerr.ErrClosed)

	cfg := e.iggy
	cfg.Endpoint, cfg.StartTimeout = "tcp://127.0.0.1:1", 50*time.Millisecond
	c, err := consumer.New(cfg, fastConfig(), e.topic)
	require.NoError(t, err)
	require.ErrorIs(t, c.Start(ctx), iggyerr.ErrNotConnected)
	require.NoError(t, c.Stop(ctx))
}

func TestNewNamesInvalidSettings(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	for name, change := range map[string]func(*config.Consumer){
		"group": func(c *config.Consumer) { c.Group = "" }, "batch_size": func(c *config.Consumer) { c.BatchSize = 0 },
		"max_in_flight": func(c *config.Consumer) { c.MaxInFlight = 0 }, "poll_interval_min": func(c *config.Consumer) { c.PollIntervalMin = 0 },
	} {
		cfg := fastConfig()
		change(&cfg)
		_, err := consumer.New(e.iggy, cfg, e.topic)
		require.ErrorContains(t, err, name)
	}
	cluster := e.iggy
	cluster.ClientSecret = config.Secret{}
	_, err := consumer.New(cluster, fastConfig(), e.topic)
	require.ErrorContains(t, err, "iggy.client_secret")
}

func TestDrainBeforeStartLeavesTheConsumerUsable(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, "a/0")
	got := newSeen()
	c := e.consumer(fastConfig())
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		return nil
	}))
	require.ErrorIs(t, c.Drain(context.Background()), iggyerr.ErrClosed)
	start(t, c)
	got.wait(t, 1)
}
