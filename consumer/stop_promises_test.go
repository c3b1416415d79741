package consumer_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Promise 8: a stop polls no more, finishes the messages in flight, commits what is acknowledged,
// leaves the group and closes the connection, in this order.
func TestPromiseStopFinishesCommitsAndLeaves(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, e *transportEnv) {
		e.send(0, numbered("", 100)...)
		e.send(1, numbered("", 100)...)
		cfg := fastConfig()
		cfg.MaxInFlight, cfg.CommitInterval = 6, time.Hour
		began, finish := make(chan location, 300), make(chan struct{})
		var running, finished atomic.Int32
		var stopping, settled atomic.Bool
		var violations violations
		c := e.handling(cfg, func(ctx context.Context, m *consumer.Message[string]) error {
			if settled.Load() {
				violations.add("%v is delivered after the work was finished", locationOf(m))
			}
			running.Add(1)
			began <- locationOf(m)
			select {
			case <-finish:
			case <-ctx.Done():
				violations.add("the handler of %v was cancelled: %v", locationOf(m), context.Cause(ctx))
			}
			running.Add(-1)
			finished.Add(1)
			return nil
		})
		for range 6 {
			received(t, "handlers", began)
		}
		own := e.server.Connections() - 1 // without that of the environment
		e.server.Inject(iggytest.Do(func(req iggytest.Request) {
			switch {
			case req.Command == embedded.LeaveGroup && running.Load() > 0:
				violations.add("left with %d handlers at work", running.Load())
			case req.Command == embedded.PollMessages && settled.Load():
				violations.add("a poll after the work was finished")
			}
		}).On(embedded.LeaveGroup, embedded.PollMessages).When(func(iggytest.Request) bool { return stopping.Load() }))

		stopped := make(chan error, 1)
		go func() { stopped <- c.Stop(t.Context()) }()
		e.server.WaitFor("the consumer to stop fetching", func() bool {
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

		require.Equal(t, handled+6, finished.Load(), "what was in flight was finished, and nothing more begun")
		var committed uint64
		for p := range uint32(2) {
			if offset, ok := e.server.Committed("s", "t", "g", p); ok {
				committed += offset + 1
			}
		}
		require.EqualValues(t, finished.Load(), committed)
		require.Zero(t, e.server.Members("s", "t", "g"))
		e.server.WaitFor("the connection to close", func() bool { return e.server.Connections() == 1 })
		require.Equal(t, 1, own)
		violations.none(t)
	})
}

// Promise 8: a stop ends within its deadline, and its error counts what it could not finish.
func TestPromiseStopKeepsItsDeadline(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		e.send(0, "a/0", "b/0", "c/0", "d/0")
		began := make(chan location, 10)
		cfg := fastConfig()
		cfg.CommitInterval = time.Hour
		c := e.handling(cfg, func(ctx context.Context, m *consumer.Message[string]) error {
			began <- locationOf(m)
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
		offset, ok := e.server.Committed("s", "t", "g", 0)
		require.True(t, ok)
		require.Zero(t, offset)
		require.Zero(t, e.server.Members("s", "t", "g"))
	})
}

// Promise 8: a stop does not wait for messages that wait for redelivery, and they are no error. It
// commits what stands before them and logs their number; they are delivered again as if for the
// first time.
func TestPromiseStopDoesNotWaitForRetries(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		// The second message of "late" waits behind the first one.
		e.send(0, "a/0", "late/0", "b/0", "late/1", "slow/0")
		cfg := fastConfig()
		cfg.DrainTimeout = 10 * time.Minute
		handled := newDeliveryCount()
		slow, finish := make(chan struct{}, 1), make(chan struct{})
		var log logLines
		c := e.handling(cfg, func(ctx context.Context, m *consumer.Message[string]) error {
			handled.add(locationOf(m))
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
		}, consumer.WithLogger(log.logger()))
		handled.wait(t, 4)
		received(t, "the slow one", slow)
		e.server.WaitCommitted("s", "t", "g", 0, 0)
		stopping := make(chan error, 1)
		go func() { stopping <- c.Stop(t.Context()) }()
		e.server.WaitFor("the consumer to stop fetching", func() bool {
			s := c.Status()
			return len(s.Partitions) == 1 && s.Partitions[0].Leaving
		})
		require.Empty(t, stopping, "what is being handled is waited for")
		close(finish)
		require.NoError(t, received(t, "the stop", stopping), "the stop was in time")
		log.requireWaiting(t, 2, 2)
		require.Zero(t, e.server.Members("s", "t", "g"))
		offset, ok := e.server.Committed("s", "t", "g", 0)
		require.True(t, ok)
		require.Zero(t, offset)

		again := make(chan int, 10)
		e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			if m.Value == "late/0" {
				again <- m.Deliveries()
			}
			return nil
		})
		require.Equal(t, 1, received(t, "the message", again), "failed deliveries are not counted elsewhere")
		e.server.WaitCommitted("s", "t", "g", 0, 4)
	})
}

// Promise 8: nor does it wait for batches that wait for redelivery.
func TestPromiseStopDoesNotWaitForBatches(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		e.send(0, numbered("a", 10)...)
		cfg := fastConfig()
		cfg.DrainTimeout, cfg.BatchSize = time.Minute, 10
		var log logLines
		c := e.member(cfg, consumer.WithLogger(log.logger()))
		tried := make(chan int, 10)
		require.NoError(t, c.HandleBatch(func(_ context.Context, batch []*consumer.Message[string]) error {
			batch[0].Ack()
			batch[1].Nack(consumer.RetryAfter(time.Millisecond, errBusy)) // may not go before the others
			tried <- len(batch)
			return consumer.RetryAfter(time.Hour, errBusy)
		}))
		start(t, c)
		n := received(t, "a batch", tried)
		// The message that is due after a millisecond waits for the others, and is not counted then.
		eventually(t, "nothing to be at work", func() bool { s := c.Status(); return s.InFlight == 0 && s.Waiting >= n-2 })
		stopping := make(chan error, 1)
		go func() { stopping <- c.Stop(t.Context()) }()
		require.NoError(t, received(t, "the stop", stopping))
		log.requireWaiting(t, n-1, 0)
		offset, ok := e.server.Committed("s", "t", "g", 0)
		require.True(t, ok)
		require.Zero(t, offset)
	})
}

// Promise 8: a stop that only has messages which wait for redelivery is an error all the same when
// what stands before them could not be committed.
func TestPromiseStopThatCannotCommitIsAnError(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		e.send(0, "a/0", "late/0")
		cfg := fastConfig()
		cfg.CommitInterval, cfg.DrainTimeout = time.Hour, 300*time.Millisecond
		c := e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			if m.Value == "late/0" {
				return consumer.RetryAfter(time.Hour, errBusy)
			}
			return nil
		})
		eventually(t, "one message to wait", func() bool {
			s := c.Status()
			return len(s.Partitions) == 1 && s.Waiting == 1 && s.InFlight == 0 && s.Lag == 1
		})
		e.server.Inject(iggytest.Answer(embedded.StatusUnauthorized).On(embedded.StoreOffset))
		err := c.Stop(t.Context())
		var left *consumer.StopError
		require.ErrorAs(t, err, &left)
		require.Equal(t, 1, left.Unfinished)
		require.Equal(t, 1, left.Waiting)
		require.Equal(t, 1, left.Uncommitted)
		var refused *iggyerr.StatusError
		require.ErrorAs(t, err, &refused)
	})
}

// Promise 8: the error counts what could not be committed, also when there is no connection.
func TestPromiseStopWithoutAConnectionCountsUnfinished(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		e.send(0, numbered("", 10)...)
		cfg := fastConfig()
		cfg.CommitInterval, cfg.DrainTimeout = time.Hour, 300*time.Millisecond
		all := newDeliveryCount()
		c := e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			all.add(locationOf(m))
			return nil
		})
		all.wait(t, 10)
		eventually(t, "all messages to be acknowledged", func() bool { return c.Status().InFlight == 0 })
		e.server.StopListening()
		e.server.CutConnections()
		e.server.WaitFor("the consumer to notice", func() bool {
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

// Promise 7: what fails because of the stop is no failure of its message: neither the end of the
// application's own context nor a client of this library that is closed. The message is no dead
// letter, is not committed, and is delivered again after the next start.
func TestPromiseFailureOfAStopIsNoFailureOfTheMessage(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{
		"cancelled": context.Canceled, "closed": iggyerr.ErrClosed, "closed for good": consumer.Permanent(iggyerr.ErrClosed),
	} {
		for kind, batches := range map[string]bool{"handler": false, "batches": true} {
			for letters, withDeadLetters := range map[string]bool{"dead letters": true, "no dead letters": false} {
				t.Run(name+" "+kind+" "+letters, func(t *testing.T) {
					t.Parallel()
					overServers(t, 1, func(t *testing.T, e *testEnv, cfg config.Consumer) {
						testFailureOfAStop(t, e, cfg, failure, batches, withDeadLetters)
					})
				})
			}
		}
	}
}

func testFailureOfAStop(t *testing.T, e *testEnv, cfg config.Consumer, failure error, batches, withDeadLetters bool) {
	e.send(0, "a/0", "b/0", "c/0")
	var violations violations
	var box consumer.DeadLetters[string]
	if withDeadLetters {
		box = deadLetterFunc(func(_ context.Context, f topic.Failure[string]) error {
			violations.add("a dead letter of %s", f.Payload)
			return nil
		})
	}
	cfg.Retry.MaxDeliveries = 1
	cfg.DrainTimeout = time.Minute
	began, end := make(chan string, 20), make(chan struct{})
	work := func(value string) error {
		began <- value
		<-end
		return fmt.Errorf("publish: %w", failure)
	}
	var log logLines
	c := e.consumer(cfg, consumer.WithLogger(log.logger()))
	require.NoError(t, c.SetDeadLetters(box))
	if batches {
		require.NoError(t, c.HandleBatch(func(_ context.Context, batch []*consumer.Message[string]) error {
			for _, m := range batch[1:] {
				began <- m.Value
			}
			return work(batch[0].Value)
		}))
	} else {
		require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error { return work(m.Value) }))
	}
	start(t, c)
	for range 3 {
		received(t, "handlers", began)
	}
	stopping := make(chan error, 1)
	go func() { stopping <- c.Stop(t.Context()) }()
	eventually(t, "the consumer to stop fetching", func() bool {
		s := c.Status()
		return len(s.Partitions) == 1 && s.Partitions[0].Leaving
	})
	close(end)
	require.NoError(t, received(t, "the end", stopping))
	log.requireWaiting(t, 3, 0)
	violations.none(t)
	stored, err := e.conn.Offset(t.Context(), transport.Consumer{Stream: e.stream, Topic: "t", Name: "g", Group: true}, 0)
	require.NoError(t, err)
	require.False(t, stored.Stored, "nothing is committed")

	got := newSeen()
	again := e.consumer(cfg)
	require.NoError(t, again.SetDeadLetters(box))
	require.NoError(t, again.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		if m.Deliveries() != 1 {
			violations.add("%s: delivery %d", m.Value, m.Deliveries())
		}
		got.add(m.Value)
		return nil
	}))
	start(t, again)
	require.ElementsMatch(t, []string{"a/0", "b/0", "c/0"}, got.wait(t, 3))
	violations.none(t)
}

// Promise 8: dead letters that are closed before their consumer do not hold its stop up.
func TestStopDoesNotWaitForClosedDeadLetters(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		e.send(0, "!garbage", "a/0")
		cfg := fastConfig()
		cfg.DrainTimeout = time.Minute
		var log logLines
		c := e.handlingWithDeadLetters(cfg, deadLetterFunc(func(context.Context, topic.Failure[string]) error {
			return fmt.Errorf("publish: %w", iggyerr.ErrClosed)
		}), func(context.Context, *consumer.Message[string]) error { return nil }, consumer.WithLogger(log.logger()))
		eventually(t, "a dead letter that can't be written", func() bool {
			s := c.Status()
			return len(s.Partitions) == 1 && s.Partitions[0].Blocked != nil
		})
		require.NoError(t, c.Stop(t.Context()))
		require.Len(t, log.lines(t, waitingText), 1)
		_, committed := e.server.Committed("s", "t", "g", 0)
		require.False(t, committed)
	})
}
