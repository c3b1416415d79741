package producer_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/producer"
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
		err = p.Send(t.Context(), message("k", "x"))
		require.ErrorIs(t, err, iggyerr.ErrNotConnected)
		require.ErrorContains(t, err, "not started")
		require.ErrorIs(t, p.Check(t.Context()), iggyerr.ErrNotConnected)

		require.NoError(t, p.Start(t.Context()))
		require.NoError(t, p.Start(t.Context()), "twice")
		require.NoError(t, p.Send(t.Context(), message("k", "x")))
		require.NoError(t, p.Stop(t.Context()))
		require.NoError(t, p.Stop(t.Context()), "twice")
		require.ErrorIs(t, p.Start(t.Context()), iggyerr.ErrClosed)
		require.ErrorIs(t, p.Send(t.Context(), message("k", "x")), iggyerr.ErrClosed)
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
		require.ErrorIs(t, p.Send(t.Context(), message("k", "x")), iggyerr.ErrClosed)
	})
}

func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	cluster, _ := settings(nil)
	_, err := producer.New(cluster, config.Producer{})
	for _, key := range []string{"connections", "max_batch_messages", "max_batch_bytes", "max_buffered_bytes", "max_buffered_messages", "delivery_timeout", "metadata_interval"} {
		require.ErrorContains(t, err, "producer."+key+": must be")
	}
	cluster, cfg := settings(nil)
	_, err = producer.New(cluster, cfg, producer.WithCompression("s", "t", "lz4", 0))
	require.ErrorContains(t, err, `s/t`)
	require.ErrorContains(t, err, `"lz4"`)
}
