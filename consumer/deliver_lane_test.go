package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

func TestLanesKeepKeysApartAndInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := consumer.NewLanes()
		queued := map[string][]uint64{} // by key, those that did not run yet
		running := map[uint64]string{}
		var seq, given uint64
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				key := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "key")
				l.Add(seq, key)
				queued[key] = append(queued[key], seq)
				seq++
			},
			"next": func(t *rapid.T) {
				n, key, ok := l.Next()
				free := len(queued[""])
				for _, k := range []string{"a", "b", "c"} {
					busy := false
					for _, r := range running {
						busy = busy || r == k
					}
					if !busy {
						free += min(1, len(queued[k]))
					}
				}
				require.Equal(t, free > 0, ok, "a message runs whenever its key is free")
				if !ok {
					return
				}
				require.Equal(t, queued[key][0], n, "order of key %q", key)
				queued[key] = queued[key][1:]
				running[n] = key
				given = max(given, n+1)
			},
			"done": func(t *rapid.T) {
				if len(running) == 0 {
					t.Skip("nothing runs")
				}
				var all []uint64
				for n := range seq {
					if _, ok := running[n]; ok {
						all = append(all, n)
					}
				}
				n := rapid.SampledFrom(all).Draw(t, "message")
				delete(running, n)
				l.Release(n)
			},
			"cut": func(t *rapid.T) {
				want := 0
				for key, waiting := range queued {
					i := 0
					for i < len(waiting) && waiting[i] < given {
						i++
					}
					want += len(waiting) - i
					queued[key] = waiting[:i]
				}
				require.Equal(t, want, l.RemoveFrom(given))
				seq = given
			},
		})
		// In the end nothing is left behind.
		for n := range running {
			l.Release(n)
		}
		for n, _, ok := l.Next(); ok; n, _, ok = l.Next() {
			l.Release(n)
		}
		require.Zero(t, l.Keys())
	})
}

func TestKeysStayInOrderAndOthersContinue(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	var texts []string
	for i := range 100 {
		for k := range 10 {
			texts = append(texts, fmt.Sprintf("k%d/%d", k, i))
		}
	}
	e.send(0, texts...)
	c := e.consumer(fastConfig())
	got := newSeen()
	var busy [10]atomic.Int32
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		var key, n int
		_, err := fmt.Sscanf(m.Value, "k%d/%d", &key, &n)
		if err != nil || busy[key].Add(1) != 1 {
			return consumer.Permanent(fmt.Errorf("key %d is handled twice at a time: %w", key, err))
		}
		defer busy[key].Add(-1)
		if n%10 == 3 && m.Deliveries() < 3 {
			return errors.New("try again")
		}
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	next := map[string]int{}
	for _, text := range got.wait(t, len(texts)) {
		key, n, _ := strings.Cut(text, "/")
		require.Equal(t, fmt.Sprint(next[key]), n, "order of key %s", key)
		next[key]++
	}
	require.Len(t, next, 10)
}

func TestSlowKeyBlocksOnlyItself(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	e.send(0, "slow/0", "slow/1", "a/0", "b/0", "c/0")
	e.send(1, numbered("d", 20)...)
	cfg := fastConfig()
	cfg.MaxInFlight = 8
	c := e.consumer(cfg)
	got := newSeen()
	release := make(chan struct{})
	require.NoError(t, c.Handle(func(ctx context.Context, m *consumer.Message[string]) error {
		if m.Value == "slow/0" {
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	require.NotContains(t, strings.Join(got.wait(t, 23), " "), "slow")
	close(release)
	all := got.wait(t, 25)
	require.Equal(t, []string{"slow/0", "slow/1"}, all[23:])
}

// Promise 5: a key that is retried without end blocks neither other keys of its partition nor other
// partitions. What follows in its key waits.
func TestPromiseRetriedKeyDoesNotBlockOthers(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, e *transportEnv) {
		e.send(0, "bad/0", "bad/1")
		e.send(0, numbered("good", 50)...)
		e.send(1, numbered("far", 50)...)
		cfg := fastConfig()
		cfg.MaxInFlight = 8
		cfg.Retry.MaxDeliveries = -1
		cfg.DrainTimeout = 50 * time.Millisecond
		got := newSeen()
		e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			if m.Value == "bad/0" {
				return errors.New("never")
			}
			got.add(m.Value)
			return nil
		})
		require.NotContains(t, got.wait(t, 100), "bad/1")
	})
}
