package consumer_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// A Seek to the start survives a connection that ends before anything is committed, like one to any
// other offset.
func TestSeekSurvivesReconnection(t *testing.T) {
	t.Parallel()
	for name, to := range map[string]consumer.Position{"start": consumer.First(), "offset": consumer.Offset(0), "middle": consumer.Offset(3)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newTestEnv(t, 1)
			e.send(0, numbered("", 10)...)
			c := e.consumer(fastConfig())
			start(t, c)
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			for range 10 {
				m, err := c.Next(ctx)
				require.NoError(t, err)
				m.Ack()
			}
			e.server.WaitCommitted("s", "t", "g", 0, 9)
			require.NoError(t, c.Seek(ctx, 0, to))
			m, err := c.Next(ctx)
			require.NoError(t, err)
			sought := m.Offset()
			e.server.CutConnections()
			<-m.Context().Done()
			m.Ack() // has no effect
			again, err := c.Next(ctx)
			require.NoError(t, err)
			require.Equal(t, sought, again.Offset())
			again.Ack()
			stop(t, c)
		})
	}
}

// Seek gives messages in flight up and does not wait for them.
func TestSeekDoesNotWaitForMessages(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, numbered("", 10)...)
	cfg := fastConfig()
	cfg.MaxInFlight = 1
	c := e.consumer(cfg)
	start(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	first, err := c.Next(ctx)
	require.NoError(t, err)
	require.NoError(t, c.Seek(ctx, 0, consumer.Offset(5)))
	second, err := c.Next(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 5, second.Offset())
	require.ErrorIs(t, context.Cause(first.Context()), consumer.ErrLost)
	first.Ack()
	second.Ack()
	third, err := c.Next(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 6, third.Offset())
	third.Ack()
	stop(t, c)
}

func TestSeekOfADrainedConsumerFails(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, "a/0")
	got := newSeen()
	c := e.consumer(fastConfig())
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	got.wait(t, 1)
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	require.NoError(t, c.Drain(ctx))
	require.ErrorIs(t, c.Seek(ctx, 0, consumer.First()), iggyerr.ErrClosed)
}

// A partition that is about to be reassigned and is moved by Seek is read there before it is handed
// over, like one that has just been assigned.
func TestSeekDuringHandover(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	const messages = 10
	for p := range uint32(2) {
		e.send(p, numbered("", messages)...)
	}
	cfg := fastConfig()
	cfg.FairAssignment, cfg.Concurrency = false, 2
	release := make(chan struct{})
	handled := make(chan location, 100)
	c := e.consumer(cfg)
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		if m.Offset() == 5 {
			<-release
		}
		handled <- locationOf(m)
		return nil
	}))
	start(t, c)
	for p := range uint32(2) {
		e.server.WaitCommitted("s", "t", "g", p, 4)
	}
	for range 10 {
		received(t, "the first messages", handled)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	require.NoError(t, e.conn.Join(ctx, transport.Group{Stream: e.stream, Topic: "t", Name: "g"}))
	leaving := -1
	eventually(t, "a partition about to be reassigned", func() bool {
		leaving = slices.IndexFunc(c.Status().Partitions, func(p consumer.PartitionStatus) bool { return p.Leaving })
		return leaving >= 0
	})
	require.NoError(t, c.Seek(ctx, uint32(leaving), consumer.First()))
	close(release)
	for at := (location{}); at != (location{uint32(leaving), 0}); {
		at = received(t, "the first message again", handled)
	}
	eventually(t, "the handover", func() bool { return len(c.Status().Partitions) == 1 })
}

func TestSeekPauseResume(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	e.send(0, "a/0", "a/1", "a/2", "a/3")
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	c := e.consumer(fastConfig(), consumer.WithStandalone(consumer.Standalone{Name: "n"}))
	require.ErrorIs(t, c.Seek(ctx, 0, consumer.First()), iggyerr.ErrNotOwner)
	start(t, c)
	for _, want := range []string{"a/0", "a/1", "a/2", "a/3"} {
		require.Equal(t, want, next(t, c))
	}
	require.NoError(t, c.Seek(ctx, 0, consumer.Offset(2)))
	require.Equal(t, "a/2", next(t, c))
	m, err := c.Next(ctx)
	require.NoError(t, err)
	require.NoError(t, c.Seek(ctx, 0, consumer.First()))
	m.Ack() // late: without effect
	require.Equal(t, "a/0", next(t, c))
	require.NoError(t, c.Seek(ctx, 0, consumer.End()))
	none(t, c)
	require.ErrorIs(t, c.Seek(ctx, 7, consumer.First()), iggyerr.ErrNotOwner)

	c.Pause(0)
	e.send(0, "a/4")
	e.send(1, "b/0")
	require.Equal(t, "b/0", next(t, c))
	none(t, c)
	require.True(t, c.Status().Partitions[0].Paused)
	c.Resume(0)
	require.Equal(t, "a/4", next(t, c))
}
