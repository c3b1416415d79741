package consumer_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// Promise 8: a stop polls no more, lets what is in flight finish, commits what is acknowledged, leaves
// the group and closes the connection, in this order.
func TestPromiseStopFinishesCommitsAndLeaves(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, r *transportRig) {
		r.send(0, numbered("", 100)...)
		r.send(1, numbered("", 100)...)
		cfg := quick()
		cfg.MaxInFlight, cfg.CommitInterval = 6, time.Hour
		began, finish := make(chan place, 300), make(chan struct{})
		var running, finished atomic.Int32
		var stopping, settled atomic.Bool
		var bad problems
		c := r.handling(cfg, func(ctx context.Context, m *consumer.Message[string]) error {
			if settled.Load() {
				bad.add("%v is delivered after the work was finished", placeOf(m))
			}
			running.Add(1)
			began <- placeOf(m)
			select {
			case <-finish:
			case <-ctx.Done():
				bad.add("the handler of %v was cancelled: %v", placeOf(m), context.Cause(ctx))
			}
			running.Add(-1)
			finished.Add(1)
			return nil
		})
		for range 6 {
			received(t, "handlers", began)
		}
		own := r.server.Connections() - 1 // but for the rig's
		r.server.Inject(iggytest.Do(func(req iggytest.Request) {
			switch {
			case req.Command == embedded.LeaveGroup && running.Load() > 0:
				bad.add("left with %d handlers at work", running.Load())
			case req.Command == embedded.PollMessages && settled.Load():
				bad.add("a poll after the work was finished")
			}
		}).On(embedded.LeaveGroup, embedded.PollMessages).When(func(iggytest.Request) bool { return stopping.Load() }))

		stopped := make(chan error, 1)
		go func() { stopped <- c.Stop(t.Context()) }()
		r.server.WaitFor("the consumer to stop fetching", func() bool {
			for _, p := range c.Status().Partitions {
				if !p.Leaving {
					return false
				}
			}
			return true
		})
		stopping.Store(true)
		handled := finished.Load()
		close(finish)
		require.NoError(t, received(t, "the stop", stopped))
		settled.Store(true)

		require.EqualValues(t, handled+6, finished.Load(), "what was in flight was finished, and nothing more begun")
		var committed uint64
		for p := range uint32(2) {
			if offset, ok := r.server.Committed("s", "t", "g", p); ok {
				committed += offset + 1
			}
		}
		require.EqualValues(t, finished.Load(), committed)
		require.Zero(t, r.server.Members("s", "t", "g"))
		r.server.WaitFor("the connection to close", func() bool { return r.server.Connections() == 1 })
		require.Equal(t, 1, own)
		bad.none(t)
	})
}

// Promise 8: a stop ends within its deadline, and its error counts what it could not finish.
func TestPromiseStopKeepsItsDeadline(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, r *transportRig) {
		r.send(0, "a/0", "b/0", "c/0", "d/0")
		began := make(chan place, 10)
		cfg := quick()
		cfg.CommitInterval = time.Hour
		c := r.handling(cfg, func(ctx context.Context, m *consumer.Message[string]) error {
			began <- placeOf(m)
			if m.Offset() == 0 {
				return nil
			}
			<-ctx.Done()
			return context.Cause(ctx)
		})
		for range 4 {
			received(t, "handlers", began)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := c.Stop(ctx)
		require.Less(t, time.Since(start), 5*time.Second)
		var left *consumer.StopError
		require.ErrorAs(t, err, &left)
		require.Equal(t, 3, left.Unfinished)
		require.Zero(t, left.Uncommitted)
		require.ErrorIs(t, err, consumer.ErrStopDeadline)
		require.NoError(t, ctx.Err(), "time is left for those who stop after this one")
		offset, ok := r.server.Committed("s", "t", "g", 0)
		require.True(t, ok)
		require.Zero(t, offset)
		require.Zero(t, r.server.Members("s", "t", "g"))
	})
}
