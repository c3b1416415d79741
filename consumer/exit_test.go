package consumer_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// exitingCodec ends its goroutine, as FailNow of a test does, for texts that
// end in "exit", and the second time for those that end in "once".
type exitingCodec struct {
	textCodec
	decoded *sync.Map
}

func (c exitingCodec) Decode(b []byte) (string, error) {
	_, again := c.decoded.LoadOrStore(string(b), true)
	if strings.HasSuffix(string(b), "exit") || again && strings.HasSuffix(string(b), "once") {
		runtime.Goexit()
	}
	return c.textCodec.Decode(b)
}

// causes notes the offsets and causes of dead letters.
type causes struct {
	mu     sync.Mutex
	causes map[uint64]string
}

func (l *causes) box(before func()) letterBox {
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
	for at, cause := range l.causes {
		all[at] = cause
	}
	return all
}

// Promise 7: code of the application that ends its goroutine has failed, like code that panics: it holds
// up no partition and ends no process.
func TestPromiseExitsAreFailures(t *testing.T) {
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
			r := newRig(t, 1)
			r.topic = topic.New("s", "t", exitingCodec{decoded: &sync.Map{}}, topic.Key(func(s string) string {
				if strings.HasSuffix(s, "keyless") {
					runtime.Goexit()
				}
				key, _, _ := strings.Cut(s, "/")
				return key
			}))
			r.send(0, "a/0", "b/exit", "a/once", "c/keyless", "d/exit", "e/0")
			var exited atomic.Bool
			l := &causes{causes: map[uint64]string{}}
			cfg := quick()
			c := r.consumer(cfg)
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
			r.server.WaitCommitted("s", "t", "g", 0, 5)
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
		r := newRig(t, 1)
		r.topic = topic.New("s", "t", exitingCodec{decoded: &sync.Map{}}, topic.Key(func(string) string { return "" }))
		r.send(0, "a/0", "b/exit", "c/0")
		cfg := quick()
		cfg.AckMode = config.AckOnPoll
		got := newSeen()
		c := r.consumer(cfg)
		require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
			got.add(m.Value)
			return nil
		}))
		start(t, c)
		require.ElementsMatch(t, []string{"a/0", "c/0"}, got.wait(t, 2))
		stop(t, c)
	})
}
