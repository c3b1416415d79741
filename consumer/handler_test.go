package consumer_test

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestHandlerTimeoutAndRetryAfter(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, "a/slow", "b/later")
	cfg := fastConfig()
	cfg.HandlerTimeout = 20 * time.Millisecond
	cfg.Retry.MaxDeliveries = 1
	box := newDeadLetterRecorder()
	c := e.consumer(cfg)
	require.NoError(t, c.SetDeadLetters(box))
	require.NoError(t, c.Handle(func(ctx context.Context, m *consumer.Message[string]) error {
		if m.Value == "a/slow" {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return consumer.RetryAfter(time.Millisecond, errors.New("busy"))
	}))
	start(t, c)
	codes := map[string]string{}
	for _, f := range box.wait(t, 2) {
		codes[f.Key] = f.Code
	}
	require.Equal(t, map[string]string{"a": topic.CodeTimeout, "b": topic.CodeHandler}, codes)
}

func TestManualAcknowledgement(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, "a/0", "b/0", "c/0")
	cfg := fastConfig()
	cfg.AckMode = config.AckManual
	c := e.consumer(cfg)
	messages := make(chan *consumer.Message[string], 10)
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		messages <- m
		return nil
	}))
	start(t, c)
	held := map[string]*consumer.Message[string]{}
	for range 3 {
		m := <-messages
		held[m.Value] = m
	}
	held["b/0"].Ack()
	held["c/0"].Nack(errors.New("again"))
	again := <-messages
	require.Equal(t, "c/0", again.Value)
	require.Equal(t, 2, again.Deliveries())
	held["c/0"].Ack() // of the first delivery: without effect
	require.Equal(t, 2, c.Status().InFlight)
	_, committed := e.server.Committed("s", "t", "g", 0)
	require.False(t, committed, "a/0 holds the prefix back")
	held["a/0"].Ack()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	require.NoError(t, again.AckSync(ctx))
	offset, _ := e.server.Committed("s", "t", "g", 0)
	require.EqualValues(t, 2, offset)
}

func TestOnlyOneHandlerOrIteration(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	c := e.consumer(fastConfig())
	handler := func(context.Context, *consumer.Message[string]) error { return nil }
	require.Error(t, c.Handle(nil))
	require.NoError(t, c.Handle(handler))
	require.ErrorIs(t, c.Handle(handler), consumer.ErrConsuming)
	start(t, c)
	_, err := c.Next(context.Background())
	require.ErrorIs(t, err, consumer.ErrConsuming)
	for _, last := range c.Messages(context.Background()) {
		err = last
	}
	require.ErrorIs(t, err, consumer.ErrConsuming)
	stop(t, c)
	require.ErrorIs(t, c.Handle(handler), iggyerr.ErrClosed)
}

// The hook is called by the call that sets the handler, and by no other.
func TestOnHandler(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	calls := 0
	c := e.consumer(fastConfig(), consumer.OnHandler(func() { calls++ }))
	handler := func(context.Context, *consumer.Message[string]) error { return nil }
	require.Error(t, c.Handle(nil))
	require.Zero(t, calls)
	require.NoError(t, c.Handle(handler))
	require.Equal(t, 1, calls)
	require.ErrorIs(t, c.Handle(handler), consumer.ErrConsuming)
	require.Equal(t, 1, calls)
}

func TestNilContextsAndOptionsAreErrors(t *testing.T) {
	t.Parallel()
	var none context.Context
	_, err := consumer.New(config.Default().Iggy, fastConfig(), topic.New("s", "t", topic.Bytes()), nil)
	require.ErrorContains(t, err, "option 1 of 1 is nil")

	e := newTestEnv(t, 1)
	e.send(0, numbered("a", 1)...)
	c := e.consumer(fastConfig())
	require.ErrorContains(t, c.Start(none), "nil context")
	start(t, c)
	_, err = c.Next(none)
	require.ErrorContains(t, err, "nil context")
	for _, last := range c.Messages(none) {
		err = last
	}
	require.ErrorContains(t, err, "nil context")
	m, err := c.Next(t.Context())
	require.NoError(t, err)
	require.ErrorContains(t, m.AckSync(none), "nil context")
	m.Ack()
	require.ErrorContains(t, c.Seek(none, 0, consumer.Offset(0)), "nil context")
	require.ErrorContains(t, c.Drain(none), "nil context")
	require.ErrorContains(t, c.Stop(none), "nil context")
}

// panickingError is an error type whose methods need a value that a typed nil lacks.
type panickingError struct{ err error }

func (h *panickingError) Error() string { return h.err.Error() }

func (h *panickingError) Unwrap() error { return h.err }

func TestPanickingErrorFailsTheMessage(t *testing.T) {
	t.Parallel()
	for name, register := range map[string]func(*consumer.Consumer[string], *panickingError) error{
		"returned": func(c *consumer.Consumer[string], bad *panickingError) error {
			return c.Handle(func(context.Context, *consumer.Message[string]) error { return bad })
		},
		"nacked": func(c *consumer.Consumer[string], bad *panickingError) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
				m.Nack(bad)
				return nil
			})
		},
		"batch": func(c *consumer.Consumer[string], bad *panickingError) error {
			return c.HandleBatch(func(context.Context, []*consumer.Message[string]) error { return bad })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newTestEnv(t, 1)
			e.send(0, "a/0")
			cfg := fastConfig()
			cfg.Retry.MaxDeliveries = 2
			box := newDeadLetterRecorder()
			c := e.consumer(cfg)
			require.NoError(t, c.SetDeadLetters(box))
			require.NoError(t, register(c, nil))
			start(t, c)
			f := box.wait(t, 1)[0]
			require.Equal(t, topic.CodePanic, f.Code)
			require.Equal(t, 2, f.Attempts)
			require.ErrorIs(t, f.Err, iggyerr.ErrPanic)
			e.server.WaitCommitted("s", "t", "g", 0, 0)
		})
	}
}

func TestGoexitOfAHandlerFailsTheMessage(t *testing.T) {
	t.Parallel()
	for name, register := range map[string]func(*consumer.Consumer[string], func(string)) error{
		"single": func(c *consumer.Consumer[string], handle func(string)) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
				handle(m.Value)
				return nil
			})
		},
		"batch": func(c *consumer.Consumer[string], handle func(string)) error {
			return c.HandleBatch(func(_ context.Context, batch []*consumer.Message[string]) error {
				for _, m := range batch {
					handle(m.Value)
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newTestEnv(t, 1)
			e.send(0, numbered("a", 5)...)
			cfg := fastConfig()
			cfg.Concurrency, cfg.BatchSize = 1, 1
			cfg.Retry.MaxDeliveries = 2
			box := newDeadLetterRecorder()
			got := newSeen()
			c := e.consumer(cfg)
			require.NoError(t, c.SetDeadLetters(box))
			require.NoError(t, register(c, func(text string) {
				if text == "a/1" {
					runtime.Goexit() // as FailNow of a test does
				}
				got.add(text)
			}))
			start(t, c)
			require.Equal(t, []string{"a/0", "a/2", "a/3", "a/4"}, got.wait(t, 4))
			f := box.wait(t, 1)[0]
			require.Equal(t, "a/1", f.Value)
			require.Equal(t, 2, f.Attempts)
			require.Equal(t, topic.CodePanic, f.Code)
			e.server.WaitCommitted("s", "t", "g", 0, 4)
			stop(t, c)
		})
	}
}

// goexitCodec ends its goroutine, as FailNow of a test does, for texts that end in "exit", and the
// second time for those that end in "once".
type goexitCodec struct {
	textCodec
	decoded *sync.Map
}

func (c goexitCodec) Decode(b []byte, headers topic.Headers) (string, error) {
	_, again := c.decoded.LoadOrStore(string(b), true)
	if strings.HasSuffix(string(b), "exit") || again && strings.HasSuffix(string(b), "once") {
		runtime.Goexit()
	}
	return c.textCodec.Decode(b, headers)
}

// causes collects the offsets and causes of dead letters.
type causes struct {
	mu     sync.Mutex
	causes map[uint64]string
}

func (l *causes) box(before func()) deadLetterFunc {
	return func(_ context.Context, f topic.Failure[string]) error {
		before()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.causes[f.Origin.Offset] = f.Code + " " + f.Err.Error()
		return nil
	}
}

func (l *causes) all() map[uint64]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[uint64]string{}
	maps.Copy(all, l.causes)
	return all
}

// Promise 7: code of the application that ends its goroutine has failed, like code that panics: it
// blocks no partition and ends no process.
func TestPromiseGoexitIsAFailure(t *testing.T) {
	t.Parallel()
	for name, consume := range map[string]func(c *consumer.Consumer[string], got *seen) error{
		"handler": func(c *consumer.Consumer[string], got *seen) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
				if got.add(m.Value); m.Deliveries() == 1 {
					return errBroken // decoded again for the next delivery
				}
				return nil
			})
		},
		"batches": func(c *consumer.Consumer[string], got *seen) error {
			return c.HandleBatch(func(_ context.Context, batch []*consumer.Message[string]) error {
				for _, m := range batch {
					got.add(m.Value)
				}
				if batch[0].Deliveries() == 1 {
					return errBroken
				}
				return nil
			})
		},
		"next": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newTestEnv(t, 1)
			e.topic = topic.New("s", "t", goexitCodec{decoded: &sync.Map{}}, topic.Key(func(s string) string {
				if strings.HasSuffix(s, "keyless") {
					runtime.Goexit()
				}
				key, _, _ := strings.Cut(s, "/")
				return key
			}))
			e.send(0, "a/0", "b/exit", "a/once", "c/keyless", "d/exit", "e/0")
			var exited atomic.Bool
			l := &causes{causes: map[uint64]string{}}
			cfg := fastConfig()
			c := e.consumer(cfg)
			require.NoError(t, c.SetDeadLetters(l.box(func() {
				if !exited.Swap(true) {
					runtime.Goexit() // the first attempt
				}
			})))
			got := newSeen()
			if consume != nil {
				require.NoError(t, consume(c, got))
			}
			start(t, c)
			if consume == nil {
				for len(got.all()) < 6 {
					m, err := c.Next(t.Context())
					require.NoError(t, err)
					if got.add(m.Value); m.Deliveries() == 1 {
						m.Nack(errBroken)
					} else {
						m.Ack()
					}
				}
			}
			e.server.WaitCommitted("s", "t", "g", 0, 5)
			require.True(t, exited.Load())
			all := l.all()
			require.Len(t, all, 3)
			for _, offset := range []uint64{1, 3, 4} {
				require.Contains(t, all[offset], topic.CodeDecode)
				require.Contains(t, all[offset], "ended its goroutine")
			}
			times := map[string]int{}
			for _, text := range got.all() {
				times[text]++
			}
			require.Len(t, times, 3)
			for _, text := range []string{"a/0", "a/once", "e/0"} {
				require.GreaterOrEqual(t, times[text], 2, text)
			}
			stop(t, c)
		})
	}
	t.Run("at most once", func(t *testing.T) {
		t.Parallel()
		e := newTestEnv(t, 1)
		e.topic = topic.New("s", "t", goexitCodec{decoded: &sync.Map{}}, topic.Key(func(string) string { return "" }))
		e.send(0, "a/0", "b/exit", "c/0")
		cfg := fastConfig()
		cfg.AckMode = config.AckOnPoll
		got := newSeen()
		c := e.consumer(cfg)
		require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
			got.add(m.Value)
			return nil
		}))
		start(t, c)
		require.ElementsMatch(t, []string{"a/0", "c/0"}, got.wait(t, 2))
		stop(t, c)
	})
}

// bytesBox is for messages of another type.
