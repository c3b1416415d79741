package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestRedeliveryBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		var times []time.Time
		box := newDeadLetterRecorder()
		c := startInBubbleWithDeadLetters(t, server, nil, box, func(_ context.Context, m *consumer.Message[string]) error {
			times = append(times, time.Now())
			if m.Deliveries() == 3 {
				return consumer.RetryAfter(time.Minute, errors.New("busy"))
			}
			return errors.New("failed")
		})
		server.append(0, "a/0")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Len(t, times, 5)
		var pauses []time.Duration
		for i := 1; i < len(times); i++ {
			pauses = append(pauses, times[i].Sub(times[i-1]))
		}
		ms := time.Millisecond
		require.Equal(t, []time.Duration{200 * ms, 400 * ms, time.Minute, 1600 * ms}, pauses)
		box.mu.Lock()
		defer box.mu.Unlock()
		require.Len(t, box.failures, 1)
		require.Equal(t, 5, box.failures[0].Attempts)
		require.NoError(t, c.Stop(context.Background()))
	})
}

// Promise 7: a message that is postponed is not given up, with one delivery allowed.
func TestPromisePostponedMessageIsNoFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		var times []time.Time
		var attempts, deliveries []int
		box := newDeadLetterRecorder()
		change := func(cfg *config.Consumer) { cfg.Retry.MaxDeliveries = 1 }
		c := startInBubbleWithDeadLetters(t, server, change, box, func(_ context.Context, m *consumer.Message[string]) error {
			times, attempts, deliveries = append(times, time.Now()), append(attempts, m.Attempts()), append(deliveries, m.Deliveries())
			if len(times) < 4 {
				return fmt.Errorf("not yet: %w", consumer.Postpone(time.Minute, errBusy))
			}
			return nil
		})
		server.append(0, "a/0")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []int{1, 1, 1, 1}, attempts)
		require.Equal(t, []int{1, 2, 3, 4}, deliveries)
		require.Equal(t, 3*time.Minute, times[3].Sub(times[0]))
		box.mu.Lock()
		defer box.mu.Unlock()
		require.Empty(t, box.failures)
		require.NoError(t, c.Check(t.Context()))
		require.NoError(t, c.Stop(context.Background()))
	})
}

// note is a message that a handler can change.
type note struct{ text string }

type noteCodec struct{}

func (noteCodec) Append(dst []byte, n *note) ([]byte, error) { return append(dst, n.text...), nil }

func (noteCodec) ContentType() string { return "text/plain" }

func (noteCodec) MessageType() string { return "" }

func (noteCodec) Decode(b []byte, _ topic.Headers) (*note, error) { return &note{string(b)}, nil }

// noteDeadLetters keeps the text of the last dead letter.
type noteDeadLetters struct{ got chan topic.Failure[*note] }

func (b noteDeadLetters) DeadLetter(_ context.Context, f topic.Failure[*note]) error {
	b.got <- f
	return nil
}

func TestRedeliveryDecodesAnew(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, "as it was stored")
	cfg := fastConfig()
	cfg.Retry.MaxDeliveries = 3
	box := noteDeadLetters{make(chan topic.Failure[*note], 1)}
	c, err := consumer.New(e.iggy, cfg, topic.New("s", "t", noteCodec{}))
	require.NoError(t, err)
	require.NoError(t, c.SetDeadLetters(box))
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
	got := newSeen()
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[*note]) error {
		got.add(m.Value.text)
		m.Value.text = "changed"
		return errors.New("failed after it had changed the message")
	}))
	require.NoError(t, c.Start(context.Background()))
	f := <-box.got
	require.Equal(t, []string{"as it was stored", "as it was stored", "as it was stored"}, got.all())
	require.Equal(t, "as it was stored", f.Value.text)
}

// Promise 7: a handler that is cancelled because the consumer stops, or its partition is lost, is
// not a failure of the message: the message gets no dead letter, and is delivered again as if for
// the first time.
func TestPromiseCancellationIsNoFailure(t *testing.T) {
	t.Parallel()
	for name, letters := range map[string]bool{"with dead letters": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overTransports(t, 1, func(t *testing.T, e *transportEnv) {
				e.send(0, "a/0", "b/0", "c/0")
				var violations violations
				var box consumer.DeadLetters[string]
				if letters {
					box = deadLetterFunc(func(_ context.Context, f topic.Failure[string]) error {
						violations.add("a dead letter of %s: %v", f.Payload, f.Err)
						return nil
					})
				}
				cfg := fastConfig()
				cfg.Retry.MaxDeliveries = 1
				cfg.DrainTimeout = 100 * time.Millisecond
				began, ended := make(chan string, 20), make(chan error, 20)
				first := e.handlingWithDeadLetters(cfg, box, func(ctx context.Context, m *consumer.Message[string]) error {
					if m.Deliveries() != 1 {
						violations.add("%s: delivery %d", m.Value, m.Deliveries())
					}
					began <- m.Value
					<-ctx.Done()
					ended <- context.Cause(ctx)
					return ctx.Err()
				})
				for range 3 {
					received(t, "handlers", began)
				}
				e.server.CutConnections()
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
				e.handlingWithDeadLetters(cfg, box, func(_ context.Context, m *consumer.Message[string]) error {
					if m.Deliveries() != 1 {
						violations.add("%s: delivery %d", m.Value, m.Deliveries())
					}
					got.add(m.Value)
					return nil
				})
				require.ElementsMatch(t, []string{"a/0", "b/0", "c/0"}, got.wait(t, 3))
				violations.none(t)
			})
		})
	}
}
