package consumer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// A topic or a group that was never created is an error of Next, and not a wait without end. One call
// creates it.
func TestNextSaysThatTheGroupIsMissing(t *testing.T) {
	t.Parallel()
	overServers(t, 1, func(t *testing.T, e *testEnv, cfg config.Consumer) {
		e.deleteGroup("g")
		c := e.consumer(cfg)
		require.Equal(t, []string{"g", "g.balance"}, c.Groups())
		start(t, c)
		for range 2 {
			_, err := c.Next(t.Context())
			require.ErrorIs(t, err, iggyerr.ErrNotFound)
			require.ErrorContains(t, err, "not in the group g")
			require.ErrorContains(t, err, "admin.Provision creates topics and groups")
		}
		var ended error
		for _, err := range c.Messages(t.Context()) {
			ended = err
		}
		require.ErrorIs(t, ended, iggyerr.ErrNotFound)

		report, err := admin.Provision(t.Context(), e.iggy, admin.Spec{admin.Of(e.topic, c.Groups()...)})
		require.NoError(t, err)
		require.NotEmpty(t, report.Created())
		e.send(0, "a/0")
		m, err := c.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a/0", m.Value)
		m.Ack()

		eventually(t, "the commit", func() bool {
			partitions := c.Status().Partitions
			return len(partitions) == 1 && partitions[0].HasCommitted
		})
		// Later it is a fault that may end.
		e.deleteGroup("g")
		eventually(t, "the check to fail", func() bool { return errors.Is(c.Check(t.Context()), iggyerr.ErrNotFound) })
		ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("waited"))
		defer cancel()
		_, err = c.Next(ctx)
		require.EqualError(t, err, "waited")
		stop(t, c)
	})
}

// A handler that can get nothing is an error of the start, which says what creates the group.
func TestStartSaysThatTheGroupIsMissing(t *testing.T) {
	t.Parallel()
	overServers(t, 1, func(t *testing.T, e *testEnv, cfg config.Consumer) {
		e.deleteGroup("g")
		got := make(chan string, 1)
		handler := func(_ context.Context, m *consumer.Message[string]) error {
			got <- m.Value
			return nil
		}
		c := e.consumer(cfg)
		require.NoError(t, c.Handle(handler))
		err := c.Start(t.Context())
		require.ErrorIs(t, err, iggyerr.ErrNotFound)
		require.ErrorContains(t, err, "not in the group g")
		require.ErrorContains(t, err, "admin.Provision creates topics and groups")
		require.ErrorIs(t, c.Start(t.Context()), iggyerr.ErrClosed)

		background := e.iggy
		background.Start = config.StartBackground
		later, err := consumer.New(background, cfg, e.topic)
		require.NoError(t, err)
		require.NoError(t, later.Handle(handler))
		start(t, later)
		eventually(t, "the check to fail", func() bool { return errors.Is(later.Check(t.Context()), iggyerr.ErrNotFound) })
		stop(t, later)

		_, err = admin.Provision(t.Context(), e.iggy, admin.Spec{admin.Of(e.topic, cfg.Groups()...)})
		require.NoError(t, err)
		e.conn = e.connect()
		e.send(0, "a/0")
		again := e.consumer(cfg)
		require.NoError(t, again.Handle(handler))
		start(t, again)
		require.Equal(t, "a/0", received(t, "the message", got))
		stop(t, again)
	})
}

func TestNextSaysThatTheTopicOfAStandaloneConsumerIsMissing(t *testing.T) {
	t.Parallel()
	overServers(t, 1, func(t *testing.T, e *testEnv, cfg config.Consumer) {
		e.deleteTopic()
		c := e.consumer(cfg, consumer.WithStandalone(consumer.Standalone{Name: "n"}))
		require.Empty(t, c.Groups())
		start(t, c)
		_, err := c.Next(t.Context())
		require.ErrorIs(t, err, iggyerr.ErrNotFound)
		_, err = admin.Provision(t.Context(), e.iggy, admin.Spec{admin.Of(e.topic, c.Groups()...)})
		require.NoError(t, err)
		e.conn = e.connect()
		e.send(0, "a/0")
		m, err := c.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a/0", m.Value)
		m.Ack()
		stop(t, c)
	})
}

// A stop ends the wait for the first membership.
func TestAStopEndsTheWaitOfNext(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.refuse(nil, embedded.JoinGroup)
	c := e.consumer(fastConfig())
	start(t, c)
	ended := make(chan error, 1)
	go func() {
		_, err := c.Next(context.Background())
		ended <- err
	}()
	eventually(t, "an attempt", func() bool { return c.Status().Problem != nil })
	stop(t, c)
	require.ErrorIs(t, received(t, "the end", ended), iggyerr.ErrClosed)
}
