package producer_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// The tests named TestPromise… hold the library to docs/guarantees.md, from outside: against the
// embedded server with faults on the way, over both transports, by nothing but the exported names.

// waitTimeout is how long a test waits for an event.
const waitTimeout = 30 * time.Second

// testServer is an embedded server with the topic s/t, and the configuration to reach it.
type testServer struct {
	server  *iggytest.Server
	cluster config.Iggy
}

// overTransports runs test once for each transport.
func overTransports(t *testing.T, partitions uint32, test func(t *testing.T, s *testServer)) {
	for _, name := range []config.Transport{config.TransportSDK, config.TransportNative} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			s := &testServer{server: iggytest.NewServer(t), cluster: config.Default().Iggy}
			s.server.CreateTopic("s", "t", partitions)
			s.cluster.Transport = name
			s.cluster.Endpoint = s.server.Endpoint()
			s.cluster.ClientID, s.cluster.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
			s.cluster.Reconnect = config.Backoff{BaseBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond, Jitter: 0.2}
			s.cluster.Breaker = config.Breaker{Failures: 50, Delay: 10 * time.Millisecond}
			test(t, s)
		})
	}
}

// retryForever returns a producer's configuration with unlimited retries and short backoffs.
func retryForever() config.Producer {
	cfg := config.Default().Producer
	cfg.Retry = config.Retry{MaxRetries: -1, Backoff: config.Backoff{BaseBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond, Jitter: 0.2}}
	return cfg
}

// producer starts a producer and stops it when the test ends.
func (s *testServer) producer(t *testing.T, cfg config.Producer, opts ...producer.Option) *producer.Producer {
	t.Helper()
	p, err := producer.New(s.cluster, cfg, opts...)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))
	t.Cleanup(func() { _ = p.Stop(context.Background()) })
	return p
}

// storedByID maps each id to the payloads that are stored with it, in all partitions.
func (s *testServer) storedByID() map[[16]byte][]string {
	stored := map[[16]byte][]string{}
	for _, m := range s.server.Messages("s", "t") {
		stored[m.ID] = append(stored[m.ID], string(m.Payload))
	}
	return stored
}

// injectFaults injects everything that can happen to a request, at random.
func (s *testServer) injectFaults() {
	on := embedded.SendMessages
	for _, f := range []iggytest.Fault{
		iggytest.Cut().Chance(0.08, 1),
		iggytest.Cut().AfterEffect().Chance(0.08, 2),
		iggytest.HalfFrame().Chance(0.05, 3),
		iggytest.HalfFrame().AfterEffect().Chance(0.05, 4),
		iggytest.Reset().AfterEffect().Chance(0.05, 5),
		iggytest.Silence().AfterEffect().Chance(0.01, 6),
		iggytest.Silence().Chance(0.01, 7),
	} {
		s.server.Inject(f.On(on))
	}
}

// outcomeLog collects the outcomes of messages by their ids.
type outcomeLog struct {
	mu       sync.Mutex
	outcomes map[[16]byte][]producer.Outcome
	changed  chan struct{}
}

func newOutcomeLog() *outcomeLog {
	return &outcomeLog{outcomes: map[[16]byte][]producer.Outcome{}, changed: make(chan struct{})}
}

func (l *outcomeLog) add(id [16]byte, o producer.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outcomes[id] = append(l.outcomes[id], o)
	close(l.changed)
	l.changed = make(chan struct{})
}

// waitForAll waits until n messages have an outcome and returns the one outcome of each.
func (l *outcomeLog) waitForAll(t *testing.T, n int) map[[16]byte]producer.Outcome {
	t.Helper()
	timeout := time.After(waitTimeout)
	for {
		l.mu.Lock()
		have, changed := len(l.outcomes), l.changed
		l.mu.Unlock()
		if have >= n {
			break
		}
		select {
		case <-changed:
		case <-timeout:
			require.FailNow(t, "messages without an outcome", "%d of %d have one", have, n)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	one := map[[16]byte]producer.Outcome{}
	for id, outcomes := range l.outcomes {
		require.Len(t, outcomes, 1, "outcomes of message %x", id)
		one[id] = outcomes[0]
	}
	return one
}

// count returns the number of messages with the outcome o.
func count(outcomes map[[16]byte]producer.Outcome, o producer.Outcome) (n int) {
	for _, got := range outcomes {
		if got == o {
			n++
		}
	}
	return n
}

// numberedMessage returns message n of a key, with an id of its own.
func numberedMessage(key string, n int) producer.Message {
	r := message(key, fmt.Sprintf("%s/%d", key, n))
	copy(r.ID[:8], key)
	binary.BigEndian.PutUint64(r.ID[8:], uint64(n)+1)
	return r
}
