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

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

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
