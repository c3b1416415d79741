package producer_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// TestRandomSchedulesKeepOutcomesAndOrder sends keyed messages while requests fail before and after
// they take effect, connections break and partitions are added. It compares the log with the
// outcome of each message.
func TestRandomSchedulesKeepOutcomesAndOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		trial := schedule{
			seed:           seed,
			rnd:            rand.New(rand.NewPCG(seed, 1)),
			messages:       rapid.IntRange(1, 300).Draw(rt, "messages"),
			keys:           rapid.IntRange(1, 20).Draw(rt, "keys"),
			callers:        rapid.IntRange(1, 4).Draw(rt, "callers"),
			faultRate:      rapid.SampledFrom([]float64{0, 0.05, 0.3, 0.7}).Draw(rt, "faulty"),
			addsPartitions: rapid.Bool().Draw(rt, "grows"),
			stopsEarly:     rapid.Bool().Draw(rt, "stops early"),
		}
		_, trial.cfg = settings(nil)
		trial.cfg.Connections = rapid.IntRange(1, 3).Draw(rt, "connections")
		trial.cfg.MaxBatchMessages = rapid.SampledFrom([]int{1, 3, 10, 1000}).Draw(rt, "batch")
		trial.cfg.MaxBufferedMessages = rapid.SampledFrom([]int{1, 7, 50, 100_000}).Draw(rt, "buffered messages")
		trial.cfg.MaxBufferedBytes = config.Bytes(rapid.SampledFrom([]int{200, 2000, 1 << 20}).Draw(rt, "bytes"))
		trial.cfg.MaxBatchBytes = min(trial.cfg.MaxBatchBytes, trial.cfg.MaxBufferedBytes)
		trial.cfg.Linger = rapid.SampledFrom([]time.Duration{0, 0, 5 * time.Millisecond}).Draw(rt, "linger")
		trial.cfg.Retry.MaxRetries = rapid.SampledFrom([]int{0, 1, 5, -1}).Draw(rt, "retries")
		trial.cfg.DeliveryTimeout = rapid.SampledFrom([]time.Duration{time.Second, time.Minute}).Draw(rt, "timeout")
		synctest.Test(t, func(*testing.T) { trial.run(rt) })
	})
}

type schedule struct {
	seed                       uint64
	rnd                        *rand.Rand // under the server's lock, but for a start
	messages, keys, callers    int
	faultRate                  float64
	addsPartitions, stopsEarly bool
	cfg                        config.Producer
}

// sentMessage is a message and its outcomes.
type sentMessage struct {
	id       [16]byte
	key      string
	payload  string
	sent     int // its place among the key's messages
	outcomes []producer.Outcome
}

func (tr *schedule) run(t *rapid.T) {
	s := newServer()
	s.partitions("t", 4)
	tried := map[[16]byte]int{} // how often a message was in a request
	s.delay = time.Millisecond
	s.faults = func(_ string, _ uint32, ids [][16]byte) fault {
		for _, id := range ids {
			tried[id]++
		}
		if tr.rnd.Float64() >= tr.faultRate {
			return succeed
		}
		return []fault{cutBefore, cutUnstored, cutStored, failUnstored, failStored, notFound, stallStored, stallUnstored}[tr.rnd.IntN(8)]
	}
	cluster, _ := settings(nil)
	cluster.RequestTimeout = 100 * time.Millisecond
	p, err := producer.New(cluster, tr.cfg, producer.WithDialer(s))
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background()))

	var mu sync.Mutex
	all := make([]*sentMessage, 0, tr.messages)
	var callers sync.WaitGroup
	for caller := range tr.callers {
		// Each caller has keys of its own, so that their order is known.
		rnd := rand.New(rand.NewPCG(tr.seed, uint64(caller)+2))
		callers.Go(func() {
			counts := map[string]int{}
			for range tr.messages / tr.callers {
				key := fmt.Sprintf("%d-%d", caller, rnd.IntN(tr.keys))
				r := &sentMessage{key: key, payload: fmt.Sprintf("%s/%d", key, counts[key]), sent: counts[key]}
				binary.BigEndian.PutUint64(r.id[:], rnd.Uint64())
				binary.BigEndian.PutUint64(r.id[8:], rnd.Uint64())
				counts[key]++
				mu.Lock()
				all = append(all, r)
				mu.Unlock()
				message := message(key, r.payload)
				message.ID = r.id
				settle := func(o producer.Outcome) {
					mu.Lock()
					r.outcomes = append(r.outcomes, o)
					mu.Unlock()
				}
				switch rnd.IntN(4) {
				case 0:
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rnd.IntN(20))*time.Millisecond)
					settle(producer.OutcomeOf(errOf(p.Send(ctx, message))))
					cancel()
				default:
					p.SendAsync(context.Background(), message, func(r producer.Result) { settle(r.Outcome) })
				}
				if rnd.IntN(10) == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	if tr.addsPartitions {
		time.Sleep(2 * time.Millisecond)
		s.partitions("t", 7)
	}
	if !tr.stopsEarly {
		callers.Wait()
		require.NoError(t, p.Flush(context.Background()))
	}
	err = p.Stop(context.Background())
	callers.Wait()
	var left *producer.StopError
	if err != nil {
		require.ErrorAs(t, err, &left)
	}
	require.Zero(t, p.Status().BufferedBytes)
	require.Zero(t, p.Status().BufferedMessages)
	tr.checkLog(t, s, all, tried)
}

func (tr *schedule) checkLog(t *rapid.T, s *server, all []*sentMessage, tried map[[16]byte]int) {
	copies := map[[16]byte]int{}
	first := map[string][]stored{} // by key, without duplicates, in the order of storing
	for id := range uint32(7) {
		for _, m := range s.stored("t", id) {
			if copies[m.id]++; copies[m.id] > 1 {
				require.Greater(t, tried[m.id], 1, "duplicates only of retried ids")
			}
		}
	}
	byID := map[[16]byte]*sentMessage{}
	for _, r := range all {
		byID[r.id] = r
		require.Len(t, r.outcomes, 1, "%s: exactly one outcome", r.payload)
		switch r.outcomes[0] {
		case producer.Confirmed:
			require.NotZero(t, copies[r.id], "%s: confirmed and not stored", r.payload)
		case producer.Failed:
			require.Zero(t, copies[r.id], "%s: failed and stored", r.payload)
		case producer.Unknown:
		default:
			require.Fail(t, "no outcome")
		}
	}
	log := s.log("t")
	seen := map[[16]byte]bool{}
	for _, m := range log {
		r := byID[m.id]
		require.NotNil(t, r)
		require.Equal(t, r.payload, m.payload)
		if seen[m.id] {
			continue
		}
		seen[m.id] = true
		first[r.key] = append(first[r.key], m)
	}
	for key, list := range first {
		last := -1
		for _, m := range list {
			r := byID[m.id]
			require.Greater(t, r.sent, last, "%s: messages of a key in the order of sending", key)
			last = r.sent
		}
	}
}
