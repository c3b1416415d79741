package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// Promise 9: a half-open connection is noticed and replaced, too. The server goes on believing in the
// other end, so a group's partitions would stay with it; without a group the consumer reads on.
func TestPromiseStandaloneConsumerLeavesAHalfOpenConnection(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, r *transportRig) {
		r.cluster.RequestTimeout = 300 * time.Millisecond
		r.send(0, numbered("", 50)...)
		r.send(1, numbered("", 50)...)
		r.server.Inject(iggytest.BlackHole().On(embedded.PollMessages).Skip(1).Times(1))
		all := newAttendance()
		r.handling(quick(), func(_ context.Context, m *consumer.Message[string]) error {
			all.note(placeOf(m))
			return nil
		}, consumer.WithStandalone(consumer.Standalone{Name: "reader"}))
		all.wait(t, 100)
	})
}

// Promise 9: an idle consumer notices a half-open connection, too.
func TestPromiseIdleConsumerNoticesAHalfOpenConnection(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, r *transportRig) {
		r.cluster.RequestTimeout, r.cluster.HeartbeatInterval = 300*time.Millisecond, 100*time.Millisecond
		c := r.member(quick())
		start(t, c) // and nobody consumes
		hole := r.server.Inject(iggytest.BlackHole().On(embedded.Ping).Times(1))
		pings := r.server.Inject(iggytest.Observe().On(embedded.LoginUser).AfterEffect())
		hole.Wait(1)
		pings.Wait(1)
		r.server.WaitFor("the consumer to be in order", func() bool { return c.Check(t.Context()) == nil })
	})
}

// Promise 9: a context that ends frees its caller at once, whatever the server does.
func TestPromiseContextFreesItsCaller(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, r *transportRig) {
		r.cluster.RequestTimeout = time.Hour
		r.send(0, "a/0", "b/0")
		c := r.member(quick())
		start(t, c)
		m, err := c.Next(t.Context())
		require.NoError(t, err)
		second, err := c.Next(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, m.Offset(), second.Offset())
		silence := r.server.Inject(iggytest.Silence())
		silence.Wait(1)
		free := func(what string, call func(context.Context) error) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			began := time.Now()
			require.ErrorIs(t, call(ctx), context.DeadlineExceeded, what)
			require.Less(t, time.Since(began), 5*time.Second, what)
		}
		free("Next", func(ctx context.Context) error { _, err := c.Next(ctx); return err })
		free("Seek", func(ctx context.Context) error { return c.Seek(ctx, 0, consumer.First()) })
		free("AckSync", m.AckSync)
		free("Drain", c.Drain)
		free("Stop", func(ctx context.Context) error {
			err := c.Stop(ctx)
			require.Error(t, err)
			return ctx.Err()
		})
	})
}
