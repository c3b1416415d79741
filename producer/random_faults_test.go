package producer_test

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

var seeds = flag.Uint64("seeds", 1, "how many seeds the fault test takes per transport")

// TestRandomFaultsKeepOutcomesAndOrder sends 100,000 keyed messages over real connections that
// break at random points: before and after a request takes effect, in the middle of its frame and
// of its answer, and by a server that hangs.
func TestRandomFaultsKeepOutcomesAndOrder(t *testing.T) {
	t.Parallel()
	for _, transport := range []config.Transport{config.TransportNative, config.TransportSDK} {
		for seed := range *seeds {
			t.Run(fmt.Sprintf("%s/%d", transport, seed), func(t *testing.T) {
				t.Parallel()
				faultRun{transport: transport, seed: seed + 1, messages: 100_000, callers: 8, keys: 200}.run(t)
			})
		}
	}
}

type faultRun struct {
	transport               config.Transport
	seed                    uint64
	messages, callers, keys int
}

// sent is a message and its outcomes.
type sent struct {
	key, number int // its place among the key's messages
	outcomes    []producer.Outcome
}

func (c faultRun) run(t *testing.T) {
	srv := iggytest.NewServer(t)
	srv.CreateTopic("s", "t", 8)
	attempts := newAttempts()
	srv.Inject(iggytest.Observe().On(embedded.SendMessages).When(attempts.observe))
	rnd := rand.New(rand.NewPCG(c.seed, 1))
	chance := 0.02 // on a slow machine, where batches grow, there are 160 requests or a few more
	faults := []iggytest.Fault{
		iggytest.Cut(), iggytest.Cut().AfterEffect(), iggytest.Reset().AfterEffect(), iggytest.HalfFrame(),
		iggytest.CutAfter(rnd.IntN(5000)), iggytest.CutAfter(rnd.IntN(8)).AfterEffect(),
		iggytest.Silence().Times(1), iggytest.Silence().AfterEffect().Times(1),
	}
	var injections []*iggytest.Injection
	for i, f := range faults {
		injections = append(injections, srv.Inject(f.On(embedded.SendMessages).Skip(10).Chance(chance, c.seed*100+uint64(i))))
	}

	cluster, cfg := settings(func(cfg *config.Producer) {
		cfg.Connections = 2
		cfg.MaxBatchMessages = 100
		cfg.MaxBufferedMessages = 5000
		cfg.Retry.BaseBackoff = time.Millisecond
		cfg.Retry.MaxRetries = 3
		cfg.DrainTimeout = 30 * time.Second
	})
	cluster.Endpoint = srv.Endpoint()
	cluster.Transport = c.transport
	cluster.ClientID, cluster.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
	cluster.Reconnect.BaseBackoff, cluster.Reconnect.MaxBackoff = time.Millisecond, 20*time.Millisecond
	cluster.Breaker.Failures = 0
	cluster.RequestTimeout = time.Second
	p, err := producer.New(cluster, cfg)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))

	all := c.send(t.Context(), p)
	require.NoError(t, p.Flush(t.Context()))
	struck := 0
	for _, i := range injections {
		struck += i.Count()
		i.Remove()
	}
	require.Greater(t, struck, 5, "there were faults")
	status := p.Status()
	_ = p.Stop(t.Context()) // what was lost was judged before
	require.EqualValues(t, c.messages, status.Confirmed+status.Failed+status.Unknown)
	require.Zero(t, status.BufferedMessages)
	duplicates := c.checkLog(t, srv.Messages("s", "t"), all, attempts)
	t.Logf("%d faults, %d retries: %d confirmed, %d failed, %d unknown, %d duplicates", struck, status.Retries,
		status.Confirmed, status.Failed, status.Unknown, duplicates)
}

// send makes each caller send its share of the messages. Each caller has keys of its own.
func (c faultRun) send(ctx context.Context, p *producer.Producer) map[[16]byte]*sent {
	all := make(map[[16]byte]*sent, c.messages)
	var mu sync.Mutex
	var callers sync.WaitGroup
	for caller := range c.callers {
		rnd := rand.New(rand.NewPCG(c.seed, uint64(caller)+2))
		callers.Go(func() {
			counts := map[int]int{}
			for range c.messages / c.callers {
				key := caller*c.keys + rnd.IntN(c.keys)
				r := &sent{key: key, number: counts[key]}
				counts[key]++
				message := message(fmt.Sprint("key-", key), fmt.Sprintf("%d/%d", key, r.number))
				binary.BigEndian.PutUint64(message.ID[:], rnd.Uint64())
				binary.BigEndian.PutUint64(message.ID[8:], rnd.Uint64())
				settle := func(o producer.Outcome) {
					mu.Lock()
					r.outcomes = append(r.outcomes, o)
					mu.Unlock()
				}
				mu.Lock()
				all[message.ID] = r
				mu.Unlock()
				if rnd.IntN(200) == 0 {
					settle(producer.OutcomeOf(errOf(p.Send(ctx, message))))
				} else {
					p.SendAsync(ctx, message, func(r producer.Result) { settle(r.Outcome) })
				}
			}
		})
	}
	callers.Wait()
	return all
}

func (c faultRun) checkLog(t *testing.T, log []iggytest.Message, all map[[16]byte]*sent, attempts *attempts) (duplicates int) {
	t.Helper()
	copies := map[[16]byte]int{}
	last := map[int]int{} // by key, the number of the last message, one higher
	for _, m := range log {
		r := all[m.ID]
		require.NotNil(t, r, "nothing was stored that nobody sent")
		require.Equal(t, fmt.Sprintf("%d/%d", r.key, r.number), string(m.Payload))
		require.Equal(t, wire.PartitionOf(fmt.Sprint("key-", r.key), 8), m.Partition)
		if copies[m.ID]++; copies[m.ID] > 1 {
			duplicates++
			require.Greater(t, attempts.count(m.ID), 1, "a duplicate of what was sent once")
			continue
		}
		require.GreaterOrEqual(t, r.number, last[r.key], "messages of a key in the order of sending")
		last[r.key] = r.number + 1
	}
	for id, r := range all {
		require.Len(t, r.outcomes, 1, "exactly one outcome")
		switch r.outcomes[0] {
		case producer.Confirmed:
			require.NotZero(t, copies[id], "confirmed and not stored")
		case producer.Failed:
			require.Zero(t, copies[id], "failed and stored")
		}
	}
	return duplicates
}

// attempts counts the requests that contained each message.
type attempts struct {
	mu       sync.Mutex
	requests map[[16]byte]int
}

func newAttempts() *attempts { return &attempts{requests: map[[16]byte]int{}} }

func (a *attempts) count(id [16]byte) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests[id]
}

// observe reads the ids of a send request: the length of the metadata u32, the metadata, which ends
// with the count of messages u32, their index and the messages.
func (a *attempts) observe(r iggytest.Request) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	metadata := 4 + int(binary.LittleEndian.Uint32(r.Body))
	n := int(binary.LittleEndian.Uint32(r.Body[metadata-4:]))
	const indexEntrySize = 16
	for b := r.Body[metadata+n*indexEntrySize:]; len(b) > 0; {
		var m wire.Message
		size, err := m.Decode(b)
		if err != nil {
			return false
		}
		a.requests[m.ID]++
		b = b[size:]
	}
	return false // it only looks
}
