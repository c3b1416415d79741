package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// letterBox takes dead letters, as its function says.
type letterBox func(ctx context.Context, f topic.Failure[string]) error

func (b letterBox) DeadLetter(ctx context.Context, f topic.Failure[string]) error { return b(ctx, f) }

var errBroken = errors.New("broken for good")

// Promise 7: what can't be decoded or handled ends in the dead letters with its
// cause, attempts and origin, and its offset is committed only after they have confirmed it.
func TestPromiseOffsetWaitsForTheDeadLetter(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, r *transportRig) {
		r.send(0, "a/0", "!garbage", "b/fails", "c/0", "d/panics", "e/0")
		var bad problems
		var open atomic.Bool // the dead letters confirm
		r.onStore(func(_ uint32, offset uint64) {
			if offset > 0 && !open.Load() {
				bad.add("offset %d is committed while message 1 has no dead letter", offset)
			}
		})
		var mu sync.Mutex
		letters, tries := map[uint64]topic.Failure[string]{}, map[uint64]int{}
		waiting := make(chan uint64, 100)
		release := make(chan struct{})
		box := letterBox(func(ctx context.Context, f topic.Failure[string]) error {
			mu.Lock()
			tries[f.Origin.Offset]++
			first := tries[f.Origin.Offset] == 1
			mu.Unlock()
			if first {
				return errors.New("not now") // an error is no confirmation
			}
			waiting <- f.Origin.Offset
			select {
			case <-release:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			mu.Lock()
			defer mu.Unlock()
			letters[f.Origin.Offset] = f
			return nil
		})
		cfg := quick()
		cfg.CommitInterval = 5 * time.Millisecond
		cfg.Retry.MaxDeliveries = 3
		r.handlingWithDeadLetters(cfg, box, func(_ context.Context, m *consumer.Message[string]) error {
			switch m.Value {
			case "b/fails":
				return fmt.Errorf("attempt %d: %w", m.Deliveries(), errBroken)
			case "d/panics":
				panic("no such thing")
			}
			return nil
		})

		// Messages of other keys may be given up before it.
		for received(t, "the dead letter of message 1", waiting) != 1 {
			continue
		}
		r.server.WaitCommitted("s", "t", "g", 0, 0)
		open.Store(true)
		close(release)
		r.server.WaitCommitted("s", "t", "g", 0, 5)
		bad.none(t)

		mu.Lock()
		defer mu.Unlock()
		require.Len(t, letters, 3)
		for offset, want := range map[uint64]struct {
			payload, code string
			attempts      int
			cause         error
			text          string
		}{
			1: {"!garbage", topic.CodeDecode, 0, nil, "malformed text"},
			2: {"b/fails", topic.CodeHandler, 3, errBroken, "attempt 3"},
			4: {"d/panics", topic.CodePanic, 3, nil, "no such thing"},
		} {
			f := letters[offset]
			require.Equal(t, want.payload, string(f.Payload))
			require.Equal(t, want.code, f.Code)
			require.Equal(t, want.attempts, f.Attempts)
			require.Equal(t, want.attempts > 0, f.Decoded)
			require.ErrorContains(t, f.Err, want.text)
			if want.cause != nil {
				require.ErrorIs(t, f.Err, want.cause)
			}
			require.Equal(t, topic.Origin{
				Stream: "s", Topic: "t", Partition: 0, Offset: offset, Group: "g", ID: f.Origin.ID, Timestamp: f.Origin.Timestamp,
			}, f.Origin)
			require.NotZero(t, f.Origin.ID)
			require.WithinDuration(t, time.Now(), f.Origin.Timestamp, time.Minute)
		}
	})
}

// Promise 7: where a topic has no dead letters a message is counted and passed, and those after it come.
func TestPromiseMessageIsPassedWithoutDeadLetters(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, r *transportRig) {
		r.send(0, "!garbage", "a/fails", "b/0")
		cfg := quick()
		cfg.Retry.MaxDeliveries = 2
		got := newSeen()
		r.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			got.add(m.Value)
			if m.Value == "a/fails" {
				return errBroken
			}
			return nil
		})
		r.server.WaitCommitted("s", "t", "g", 0, 2)
		require.ElementsMatch(t, []string{"a/fails", "a/fails", "b/0"}, got.all())
	})
}

// Promise 7: that a handler is cancelled when the consumer stops, or its partition is lost, is no failure of
// the message: it has no dead letter, and comes again as if for the first time.
func TestPromiseCancellationIsNoFailure(t *testing.T) {
	t.Parallel()
	for name, letters := range map[string]bool{"with dead letters": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overTransports(t, 1, func(t *testing.T, r *transportRig) {
				r.send(0, "a/0", "b/0", "c/0")
				var bad problems
				var box consumer.DeadLetters[string]
				if letters {
					box = letterBox(func(_ context.Context, f topic.Failure[string]) error {
						bad.add("a dead letter of %s: %v", f.Payload, f.Err)
						return nil
					})
				}
				cfg := quick()
				cfg.Retry.MaxDeliveries = 1
				cfg.DrainTimeout = 100 * time.Millisecond
				began, ended := make(chan string, 20), make(chan error, 20)
				first := r.handlingWithDeadLetters(cfg, box, func(ctx context.Context, m *consumer.Message[string]) error {
					if m.Deliveries() != 1 {
						bad.add("%s: delivery %d", m.Value, m.Deliveries())
					}
					began <- m.Value
					<-ctx.Done()
					ended <- context.Cause(ctx)
					return ctx.Err()
				})
				for range 3 {
					received(t, "handlers", began)
				}
				r.server.CutConnections()
				for range 3 {
					require.ErrorIs(t, received(t, "handlers to end", ended), consumer.ErrLost)
				}
				for range 3 {
					received(t, "handlers", began)
				}
				err := first.Stop(t.Context())
				var unfinished *consumer.StopError
				require.ErrorAs(t, err, &unfinished)
				require.Equal(t, 3, unfinished.Unfinished)
				for range 3 {
					require.ErrorIs(t, received(t, "handlers to end", ended), consumer.ErrStopDeadline)
				}

				got := newSeen()
				r.handlingWithDeadLetters(cfg, box, func(_ context.Context, m *consumer.Message[string]) error {
					if m.Deliveries() != 1 {
						bad.add("%s: delivery %d", m.Value, m.Deliveries())
					}
					got.add(m.Value)
					return nil
				})
				require.ElementsMatch(t, []string{"a/0", "b/0", "c/0"}, got.wait(t, 3))
				bad.none(t)
			})
		})
	}
}
