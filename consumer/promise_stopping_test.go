package consumer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Promise 8: what could not be committed is in the error, also when there is
// no connection to commit over.
func TestPromiseStopWithoutAConnectionCounts(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, r *transportRig) {
		r.send(0, numbered("", 10)...)
		cfg := quick()
		cfg.CommitInterval, cfg.DrainTimeout = time.Hour, 300*time.Millisecond
		all := newAttendance()
		c := r.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			all.note(placeOf(m))
			return nil
		})
		all.wait(t, 10)
		r.server.StopListening()
		r.server.CutConnections()
		r.server.WaitFor("the consumer to notice", func() bool {
			s := c.Status()
			return !s.Connected && len(s.Partitions) == 0
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var left *consumer.StopError
		require.ErrorAs(t, c.Stop(ctx), &left)
		require.Equal(t, 10, left.Uncommitted)
	})
}

// Promise 7: the end of a context of the application's own, while it stops, is
// no failure of the message that was being handled under it.
func TestPromiseOwnCancellationWhileStoppingIsNoFailure(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, r *transportRig) {
		r.send(0, "a/0", "b/0", "c/0")
		var bad problems
		box := letterBox(func(_ context.Context, f topic.Failure[string]) error {
			bad.add("a dead letter of %s", f.Payload)
			return nil
		})
		cfg := quick()
		cfg.Retry.MaxDeliveries = 1
		cfg.DrainTimeout = 300 * time.Millisecond
		began := make(chan string, 20)
		application, end := context.WithCancel(t.Context())
		defer end()
		c := r.handlingWithDeadLetters(cfg, box, func(_ context.Context, m *consumer.Message[string]) error {
			began <- m.Value
			<-application.Done()
			return fmt.Errorf("download: %w", application.Err())
		})
		for range 3 {
			received(t, "handlers", began)
		}
		stopping := make(chan error, 1)
		go func() { stopping <- c.Stop(t.Context()) }()
		r.server.WaitFor("the consumer to stop fetching", func() bool {
			s := c.Status()
			return len(s.Partitions) == 1 && s.Partitions[0].Leaving
		})
		end()
		var left *consumer.StopError
		require.ErrorAs(t, received(t, "the end", stopping), &left)
		require.Equal(t, 3, left.Unfinished)
		bad.none(t)
	})
}
