package consumer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// Promise 9: a half-open connection is noticed and replaced, too. The server keeps the other end,
// so a group's partitions would stay with it; a consumer without a group reads on.
func TestPromiseStandaloneConsumerReplacesAHalfOpenConnection(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, e *transportEnv) {
		e.cluster.RequestTimeout = 300 * time.Millisecond
		e.send(0, numbered("", 50)...)
		e.send(1, numbered("", 50)...)
		e.server.Inject(iggytest.BlackHole().On(embedded.PollMessages).Skip(1).Times(1))
		all := newDeliveryCount()
		e.handling(fastConfig(), func(_ context.Context, m *consumer.Message[string]) error {
			all.add(locationOf(m))
			return nil
		}, consumer.WithStandalone(consumer.Standalone{Name: "reader"}))
		all.wait(t, 100)
	})
}

// Promise 9: an idle consumer notices a half-open connection, too.
func TestPromiseIdleConsumerNoticesAHalfOpenConnection(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		e.cluster.RequestTimeout, e.cluster.HeartbeatInterval = 300*time.Millisecond, 100*time.Millisecond
		c := e.member(fastConfig())
		start(t, c) // and nobody consumes
		hole := e.server.Inject(iggytest.BlackHole().On(embedded.Ping).Times(1))
		pings := e.server.Inject(iggytest.Observe().On(embedded.LoginUser).AfterEffect())
		hole.Wait(1)
		pings.Wait(1)
		e.server.WaitFor("the consumer to be in order", func() bool { return c.Check(t.Context()) == nil })
	})
}

// Promise 9: a context that ends frees its caller at once, whatever the server does.
func TestPromiseContextFreesItsCaller(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		e.cluster.RequestTimeout = time.Hour
		e.send(0, "a/0", "b/0")
		c := e.member(fastConfig())
		start(t, c)
		m, err := c.Next(t.Context())
		require.NoError(t, err)
		second, err := c.Next(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, m.Offset(), second.Offset())
		silence := e.server.Inject(iggytest.Silence())
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

// Promise 9: whatever happens to a connection, the consumer notices within the request timeout,
// replaces it and continues; nothing is lost.
func TestPromiseConsumerReplacesABadConnection(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]iggytest.Fault{
		"cut":            iggytest.Cut(),
		"lost answer":    iggytest.Cut().AfterEffect(),
		"half an answer": iggytest.HalfFrame().AfterEffect(),
		"stalled":        iggytest.Silence(),
		"garbage":        iggytest.Garbage(),
		"stale client":   iggytest.Answer(30),
		"logged out":     iggytest.Answer(40),
		"no member":      iggytest.Answer(5006),
		"internal error": iggytest.Answer(13000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overTransports(t, 2, func(t *testing.T, e *transportEnv) {
				e.cluster.RequestTimeout = 300 * time.Millisecond
				e.send(0, numbered("", 50)...)
				e.send(1, numbered("", 50)...)
				var bad []*iggytest.Injection
				for _, c := range []embedded.Command{embedded.PollMessages, embedded.StoreOffset, embedded.GetTopic, embedded.JoinGroup} {
					bad = append(bad, e.server.Inject(fault.On(c).Skip(2).Times(2)))
				}
				all := newDeliveryCount()
				c := e.handling(fastConfig(), func(_ context.Context, m *consumer.Message[string]) error {
					all.add(locationOf(m))
					return nil
				})
				all.wait(t, 100)
				bad[0].Wait(1)
				for p := range uint32(2) {
					e.server.WaitCommitted("s", "t", "g", p, 49)
				}
				for _, b := range bad {
					b.Remove()
				}
				e.server.WaitFor("the consumer to be in order", func() bool { return c.Check(t.Context()) == nil })
			})
		})
	}
}

func TestConsumerContinuesAfterReconnection(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	log := newHandlerLog()
	c := e.worker(fastConfig(), log, 0)
	for i := range 5 {
		e.send(0, fmt.Sprintf("a/%d", i))
		log.wait(t, i+1)
		e.server.CutConnections()
		e.conn = e.connect()
	}
	e.send(1, "b/last")
	log.wait(t, 6)
	stop(t, c)
}

func TestStalledServerIsReplaced(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	e.iggy.RequestTimeout = 200 * time.Millisecond
	log := newHandlerLog()
	c := e.worker(fastConfig(), log, 0)
	e.send(0, "a/0")
	log.wait(t, 1)
	stalled := e.server.Inject(iggytest.Silence().On(embedded.PollMessages).Times(1))
	e.send(1, "b/0")
	stalled.Wait(1)
	log.wait(t, 2)
	e.server.Inject(iggytest.Answer(embedded.Status(1)).On(embedded.StoreOffset).Times(3))
	e.send(1, "b/1")
	log.wait(t, 3)
	stop(t, c)
}
