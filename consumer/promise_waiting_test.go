package consumer_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

var errBusy = errors.New("busy, says the other side")

// Promise 8: a stop does not wait for messages that only wait for their next
// delivery. It commits what goes before them and counts them; they come again, as if for the first time.
func TestPromiseStopDoesNotWaitForRetries(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, r *transportRig) {
		// The second message of "late" waits behind the first one.
		r.send(0, "a/0", "late/0", "b/0", "late/1", "slow/0")
		cfg := quick()
		cfg.DrainTimeout = 10 * time.Minute
		handled := newAttendance()
		slow, finish := make(chan struct{}, 1), make(chan struct{})
		c := r.handling(cfg, func(ctx context.Context, m *consumer.Message[string]) error {
			handled.note(placeOf(m))
			switch m.Value {
			case "late/0":
				return consumer.RetryAfter(time.Hour, errBusy)
			case "slow/0":
				slow <- struct{}{}
				select {
				case <-finish:
				case <-ctx.Done():
				}
			}
			return nil
		})
		handled.wait(t, 4)
		received(t, "the slow one", slow)
		r.server.WaitCommitted("s", "t", "g", 0, 0)
		stopping := make(chan error, 1)
		go func() { stopping <- c.Stop(t.Context()) }()
		r.server.WaitFor("the consumer to stop fetching", func() bool {
			s := c.Status()
			return len(s.Partitions) == 1 && s.Partitions[0].Leaving
		})
		require.Empty(t, stopping, "what is being handled is waited for")
		close(finish)
		var left *consumer.StopError
		err := received(t, "the stop", stopping)
		require.ErrorAs(t, err, &left)
		require.Equal(t, 2, left.Unfinished)
		require.Equal(t, 2, left.Waiting)
		require.Equal(t, 2, left.Uncommitted)
		require.NotErrorIs(t, err, consumer.ErrStopDeadline, "the stop was in time")
		require.NoError(t, left.Err)
		require.Zero(t, r.server.Members("s", "t", "g"))
		offset, ok := r.server.Committed("s", "t", "g", 0)
		require.True(t, ok)
		require.Zero(t, offset)

		again := make(chan int, 10)
		r.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			if m.Value == "late/0" {
				again <- m.Deliveries()
			}
			return nil
		})
		require.Equal(t, 1, received(t, "the message", again), "failed deliveries are not counted elsewhere")
		r.server.WaitCommitted("s", "t", "g", 0, 4)
	})
}

// Promise 8: nor does it wait for batches that wait.
func TestPromiseStopDoesNotWaitForBatches(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, r *transportRig) {
		r.send(0, numbered("a", 10)...)
		cfg := quick()
		cfg.DrainTimeout, cfg.BatchSize = time.Minute, 10
		c := r.member(cfg)
		tried := make(chan int, 10)
		require.NoError(t, c.HandleBatch(func(_ context.Context, batch []*consumer.Message[string]) error {
			batch[0].Ack()
			batch[1].Nack(consumer.RetryAfter(time.Millisecond, errBusy)) // may not go before the others
			tried <- len(batch)
			return consumer.RetryAfter(time.Hour, errBusy)
		}))
		start(t, c)
		n := received(t, "a batch", tried)
		eventually(t, "nothing to be at work", func() bool { return c.Status().InFlight == n-1 })
		stopping := make(chan error, 1)
		go func() { stopping <- c.Stop(t.Context()) }()
		var left *consumer.StopError
		require.ErrorAs(t, received(t, "the stop", stopping), &left)
		require.Equal(t, n-1, left.Unfinished)
		require.Equal(t, n-1, left.Waiting)
		require.NoError(t, left.Err)
		offset, ok := r.server.Committed("s", "t", "g", 0)
		require.True(t, ok)
		require.Zero(t, offset)
	})
}

// Promise 6: a message that waits for its next delivery does not hold up the hand-over
// of partitions to another member.
func TestPromiseHandOverDoesNotWaitForRetries(t *testing.T) {
	t.Parallel()
	for name, balance := range map[string]bool{"by notice": true, "by the server": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overTransports(t, 2, func(t *testing.T, r *transportRig) {
				for p := range uint32(2) {
					r.send(p, "a/0", "late/0")
				}
				cfg := quick()
				cfg.FairAssignment = balance
				cfg.RebalanceGrace, cfg.RebalanceTimeout = time.Minute, 29*time.Second
				cfg.DrainTimeout = 10 * time.Minute
				type delivery struct {
					member string
					place
					count int
				}
				came := make(chan delivery, 100)
				work := func(member string) func(context.Context, *consumer.Message[string]) error {
					return func(_ context.Context, m *consumer.Message[string]) error {
						if m.Value != "late/0" {
							return nil
						}
						came <- delivery{member, placeOf(m), m.Deliveries()}
						if member == "second" {
							return nil
						}
						return consumer.RetryAfter(time.Hour, errBusy)
					}
				}
				first := r.handling(cfg, work("first"))
				for range 2 {
					received(t, "the messages that wait", came)
				}
				for p := range uint32(2) {
					r.server.WaitCommitted("s", "t", "g", p, 0)
				}
				second := r.handling(cfg, work("second"))
				// In a group of two with two partitions the server gives one to the second.
				got := received(t, "one of them at the second member", came)
				require.Equal(t, "second", got.member)
				require.Equal(t, 1, got.count)
				require.Len(t, second.Status().Partitions, 1)
				eventually(t, "the first one to go on", func() bool {
					s := first.Status()
					return len(s.Partitions) == 1 && !s.Partitions[0].Leaving && s.Partitions[0].InFlight == 1
				})
				r.send(1-got.partition, "b/0")
				var left *consumer.StopError
				require.ErrorAs(t, first.Stop(t.Context()), &left)
				require.Equal(t, 1, left.Waiting)
				last := received(t, "the other one at the second member", came)
				require.Equal(t, delivery{"second", place{1 - got.partition, 1}, 1}, last)
			})
		})
	}
}

// Promise 6: where its partition stays, such a message is delivered again when it is due.
func TestPromiseRetriesOutliveANotice(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, r *transportRig) {
		for p := range uint32(2) {
			r.send(p, "a/0", "late/0")
		}
		cfg := quick()
		cfg.RebalanceGrace, cfg.DrainTimeout = time.Minute, 0
		var due sync.Map // partitions that gave way to a notice while their message waited
		again := make(chan int, 10)
		first := r.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			if m.Value != "late/0" {
				return nil
			}
			if _, ok := due.Load(m.Partition()); ok {
				again <- m.Deliveries()
				return nil
			}
			return consumer.RetryAfter(100*time.Millisecond, errBusy)
		})
		for p := range uint32(2) {
			r.server.WaitCommitted("s", "t", "g", p, 0)
		}
		// Someone who gives notice, and for whom the member puts down its work.
		someone := r.connect()
		notice := transport.Group{Stream: "s", Topic: "t", Name: "g.balance"}
		require.NoError(t, someone.Join(t.Context(), notice))
		r.server.WaitFor("the member to have put down its work", func() bool { return r.server.Members("s", "t", "g.balance") == 2 })
		for _, s := range first.Status().Partitions {
			require.True(t, s.Leaving)
			require.Equal(t, 1, s.InFlight)
			due.Store(s.ID, true)
		}
		timer := time.NewTimer(300 * time.Millisecond) // longer than the message waits
		select {
		case n := <-again:
			require.FailNow(t, "delivered while the work is down", "delivery %d", n)
		case <-timer.C:
		}
		require.NoError(t, someone.Leave(t.Context(), notice))
		for range 2 {
			require.Greater(t, received(t, "the messages to be delivered again", again), 1)
		}
		for p := range uint32(2) {
			r.server.WaitCommitted("s", "t", "g", p, 1)
		}
	})
}
