package producer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestLifecycle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.partitions("t", 1)
		cluster, cfg := settings(nil)
		p, err := producer.New(cluster, cfg, producer.WithDialer(s))
		require.NoError(t, err)
		require.Zero(t, s.count(&s.dials), "New does no I/O")
		_, err = p.Send(t.Context(), message("k", "x"))
		require.ErrorIs(t, err, iggyerr.ErrNotConnected)
		require.ErrorContains(t, err, "not started")
		require.ErrorIs(t, p.Check(t.Context()), iggyerr.ErrNotConnected)

		require.NoError(t, p.Start(t.Context()))
		require.NoError(t, p.Start(t.Context()), "twice")
		require.NoError(t, errOf(p.Send(t.Context(), message("k", "x"))))
		require.NoError(t, p.Stop(t.Context()))
		require.NoError(t, p.Stop(t.Context()), "twice")
		require.ErrorIs(t, p.Start(t.Context()), iggyerr.ErrClosed)
		require.ErrorIs(t, errOf(p.Send(t.Context(), message("k", "x"))), iggyerr.ErrClosed)
		require.ErrorIs(t, p.Check(t.Context()), iggyerr.ErrClosed)
		require.False(t, p.Status().Running)

		idle, err := producer.New(cluster, cfg, producer.WithDialer(s))
		require.NoError(t, err)
		require.NoError(t, idle.Stop(t.Context()), "before Start")
		require.ErrorIs(t, idle.Start(t.Context()), iggyerr.ErrClosed)
	})
}

func TestStartReleasesEverythingWhenItFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.cut()
		cluster, cfg := settings(func(c *config.Producer) { c.Connections = 3 })
		p, err := producer.New(cluster, cfg, producer.WithDialer(s))
		require.NoError(t, err)
		started := time.Now()
		err = p.Start(t.Context())
		require.ErrorIs(t, err, iggyerr.ErrNotConnected)
		require.ErrorContains(t, err, cluster.Address())
		require.Equal(t, cluster.StartTimeout, time.Since(started))
		require.ErrorIs(t, errOf(p.Send(t.Context(), message("k", "x"))), iggyerr.ErrClosed)
	})
}

func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	cluster, _ := settings(nil)
	_, err := producer.New(cluster, config.Producer{})
	for _, key := range []string{"connections", "max_batch_messages", "max_batch_bytes", "max_buffered_bytes", "max_buffered_messages", "delivery_timeout", "metadata_interval"} {
		require.ErrorContains(t, err, "producer."+key+": must be")
	}
}

func TestNilContextsAndOptionsAreErrors(t *testing.T) {
	t.Parallel()
	var none context.Context
	const want = "nil context"
	run(t, nil, func(t *testing.T, _ *server, p *producer.Producer) {
		pub := producer.For(p, topic.New("s", "t", topic.JSON[int]()))
		require.ErrorContains(t, p.Start(none), want)
		require.ErrorContains(t, errOf(p.Send(none, message("k", "x"))), want)
		require.ErrorContains(t, p.SendAll(none, message("k", "x")), want)
		require.ErrorContains(t, p.Flush(none), want)
		require.ErrorContains(t, p.Check(none), want)
		require.ErrorContains(t, errOf(pub.Publish(none, 1)), want)
		require.ErrorContains(t, pub.PublishAll(none, []int{1}), want)
		for _, send := range []func(done func(producer.Result)){
			func(done func(producer.Result)) { p.SendAsync(none, message("k", "x"), done) },
			func(done func(producer.Result)) { pub.PublishAsync(none, 1, done) },
		} {
			called := 0
			send(func(r producer.Result) {
				called++
				require.Equal(t, producer.Failed, r.Outcome)
				require.ErrorContains(t, r.Err, want)
			})
			require.Equal(t, 1, called)
			send(nil)
		}
		require.ErrorContains(t, errOf(pub.Publish(t.Context(), 1, producer.WithKey("k"), nil)), "option 2 of 2 is nil")
		require.ErrorContains(t, p.Stop(none), want)
	})
	_, err := producer.New(config.Default().Iggy, config.Default().Producer, nil)
	require.ErrorContains(t, err, "option 1 of 1 is nil")
}
