package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// Promise 5: at most max_in_flight messages are with the application; those of a
// key are handled one at a time and in order, also over failures, lost connections and
// dealt groups, and other keys go on meanwhile.
func TestPromiseWindowAndKeys(t *testing.T) {
	t.Parallel()
	overTransports(t, 4, func(t *testing.T, r *transportRig) {
		const keys, each, window = 5, 40, 6
		for p := range uint32(4) {
			var texts []string
			for n := range each {
				for k := range keys {
					texts = append(texts, fmt.Sprintf("p%d-k%d/%d", p, k, n))
				}
			}
			r.send(p, texts...)
		}
		r.server.Inject(iggytest.Cut().AfterEffect().On(embedded.PollMessages).Chance(0.02, 1))
		r.server.Inject(iggytest.Cut().On(embedded.StoreOffset).Chance(0.02, 2))
		r.server.Inject(iggytest.Do(func(iggytest.Request) { _ = r.server.Rebalance("s", "t", "g") }).On(embedded.StoreOffset).Skip(10).Times(1))

		cfg := quick()
		cfg.MaxInFlight = window
		cfg.Retry.MaxDeliveries = -1
		var mu sync.Mutex
		var bad problems
		busy, next := map[string]int{}, map[string]int{}
		with, most := 0, 0
		all := newAttendance()
		c := r.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			var p, k, n int
			if _, err := fmt.Sscanf(m.Value, "p%d-k%d/%d", &p, &k, &n); err != nil {
				return consumer.Permanent(err)
			}
			key := m.Key()
			mu.Lock()
			with++
			most = max(most, with)
			if busy[key]++; busy[key] > 1 {
				bad.add("key %s is handled %d times at once", key, busy[key])
			}
			if n > next[key] {
				bad.add("message %d of key %s came before message %d", n, key, next[key])
			}
			mu.Unlock()
			time.Sleep(200 * time.Microsecond) // the handler's work
			fails := n%10 == k && m.Deliveries() < 3
			mu.Lock()
			with--
			busy[key]--
			if !fails {
				next[key] = max(next[key], n+1)
			}
			mu.Unlock()
			if fails {
				return errors.New("not yet")
			}
			all.note(placeOf(m))
			return nil
		})
		all.wait(t, 4*keys*each)
		stop(t, c)
		bad.none(t)
		require.LessOrEqual(t, most, window)
		require.Greater(t, most, 1, "keys are handled side by side")
	})
}

// Promise 5: one key that is being retried without end holds up neither other keys of its partition, nor
// other partitions; what comes after it in its key waits.
func TestPromiseOneKeyIsRetriedAndOthersGoOn(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, r *transportRig) {
		r.send(0, "bad/0", "bad/1")
		r.send(0, numbered("good", 50)...)
		r.send(1, numbered("far", 50)...)
		cfg := quick()
		cfg.MaxInFlight = 8
		cfg.Retry.MaxDeliveries = -1
		cfg.DrainTimeout = 50 * time.Millisecond
		got := newSeen()
		r.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			if m.Value == "bad/0" {
				return errors.New("never")
			}
			got.add(m.Value)
			return nil
		})
		require.NotContains(t, got.wait(t, 100), "bad/1")
	})
}

// Promise 5: a message counts from its first delivery until it is settled, so also
// while it waits for the next one.
func TestPromiseWaitingMessagesCount(t *testing.T) {
	t.Parallel()
	overTransports(t, 3, func(t *testing.T, r *transportRig) {
		const each, window = 100, 5
		for p := range uint32(3) {
			r.send(p, numbered("", each)...)
		}
		cfg := quick()
		cfg.MaxInFlight = window
		cfg.Retry.MaxDeliveries = -1
		var mu sync.Mutex
		var bad problems
		held, most := map[place]bool{}, 0
		all := newAttendance()
		r.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			mu.Lock()
			defer mu.Unlock()
			held[placeOf(m)] = true
			if most = max(most, len(held)); len(held) > window {
				bad.add("%d messages are with the application", len(held))
			}
			if m.Deliveries() <= int(m.Offset()%3) {
				return errors.New("not yet")
			}
			delete(held, placeOf(m))
			all.note(placeOf(m))
			return nil
		})
		all.wait(t, 3*each)
		bad.none(t)
		require.Greater(t, most, 1)
	})
}
