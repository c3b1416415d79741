package deliver_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
)

func TestLanesKeepKeysApartAndInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := deliver.NewLanes()
		queued := map[string][]uint64{} // by key, those that were not handed out
		running := map[uint64]string{}
		var seq, given uint64
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				key := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "key")
				l.Enter(seq, key)
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
				require.Equal(t, free > 0, ok, "a message is ready whenever its key is free")
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
				l.Done(n)
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
				require.Equal(t, want, l.Cut(given))
				seq = given
			},
		})
		// In the end nothing is left behind.
		for n := range running {
			l.Done(n)
		}
		for n, _, ok := l.Next(); ok; n, _, ok = l.Next() {
			l.Done(n)
		}
		require.Zero(t, l.Keys())
	})
}

func TestKeysStayInOrderAndOthersGoOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const partitions, keys, each, limit = 3, 5, 40, 6
		cfg := settings()
		cfg.MaxInFlight, cfg.Retry.MaxDeliveries = limit, -1
		s := newSetup(t, cfg)
		var mu sync.Mutex
		busy, next := map[string]int{}, map[string]int{}
		with, most, handled := 0, 0, 0
		s.pool.Handle(func(m *deliver.Message) error {
			var p, k, n int
			_, err := fmt.Sscanf(text(m), "p%d-k%d/%d", &p, &k, &n)
			mu.Lock()
			require.NoError(t, err)
			with++
			most = max(most, with)
			busy[m.Key]++
			require.Equal(t, 1, busy[m.Key], "%s is handled twice at once", m.Key)
			require.Equal(t, next[m.Key], n, "order of %s", m.Key)
			mu.Unlock()
			time.Sleep(time.Duration(n%7) * 200 * time.Microsecond)
			mu.Lock()
			defer mu.Unlock()
			with--
			busy[m.Key]--
			if n%10 == k && m.Deliveries() < 3 {
				return errors.New("not yet")
			}
			next[m.Key]++
			handled++
			return nil
		})
		for i, p := range s.assign(partitions) {
			for n := range each {
				for k := range keys {
					p.offer(fmt.Sprintf("p%d-k%d/%d", i, k, n))
				}
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, partitions*keys*each, handled)
		require.LessOrEqual(t, most, limit)
		require.Greater(t, most, 1)
		for _, p := range s.all {
			require.EqualValues(t, keys*each, p.progress.acknowledged().Seq)
		}
	})
}
