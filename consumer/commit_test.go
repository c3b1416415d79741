package consumer_test

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
)

func TestCommitsByIntervalAndByCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(1)
		c := startInBubble(t, server, func(cfg *config.Consumer) {
			cfg.CommitEvery = 10
			cfg.PollIntervalMax = 10 * time.Millisecond
		}, ignoreMessage)
		time.Sleep(5*time.Second + 500*time.Millisecond)
		server.append(0, numbered("a", 3)...)
		time.Sleep(400 * time.Millisecond)
		stored, _ := server.committed()
		require.Empty(t, stored, "neither the interval nor the count")
		time.Sleep(200 * time.Millisecond)
		stored, _ = server.committed()
		require.EqualValues(t, 2, stored[0], "the interval")
		server.append(0, numbered("a", 10)...)
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		stored, commits := server.committed()
		require.EqualValues(t, 12, stored[0], "the count")
		time.Sleep(time.Minute)
		_, later := server.committed()
		require.Equal(t, commits, later, "what is stored is not stored again")
		require.NoError(t, c.Stop(context.Background()))
	})
}

// With commit_interval 0, too, a refused commit is retried, and its waiters succeed.
func TestRefusedCommitIsRetriedWithoutAnInterval(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, "a/0")
	refused := e.server.Inject(iggytest.Answer(embedded.StatusUnauthorized).On(embedded.StoreOffset).When(func(req iggytest.Request) bool {
		return req.Body[len(req.Body)-1] == 0 // not the question whether a partition is assigned
	}).Times(1))
	cfg := fastConfig()
	cfg.CommitInterval, cfg.AckMode = 0, config.AckManual
	c := e.consumer(cfg)
	start(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	m, err := c.Next(ctx)
	require.NoError(t, err)
	require.NoError(t, m.AckSync(ctx))
	require.Equal(t, 1, refused.Count())
	e.server.WaitCommitted("s", "t", "g", 0, 0)
}

// acknowledged is which messages an application has acknowledged, and which offsets were stored.
type acknowledged struct {
	mu     sync.Mutex
	acked  map[location]bool
	prefix map[uint32]uint64 // the number of messages at the start that are all acknowledged
	stored map[uint32]uint64
}

func (a *acknowledged) ack(at location) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.acked[at] = true
	for a.acked[location{at.partition, a.prefix[at.partition]}] {
		a.prefix[at.partition]++
	}
}

// Promise 4: each message is delivered; the committed offset covers nothing beyond the acknowledged
// prefix and does not move back, whatever happens to connections, requests and the group, and in
// whatever order messages are acknowledged.
func TestPromiseCommitsCoverTheAcknowledgedPrefix(t *testing.T) {
	t.Parallel()
	overTransports(t, 3, func(t *testing.T, e *transportEnv) {
		const each = 250
		for p := range uint32(3) {
			e.send(p, numbered("", each)...)
		}
		model := &acknowledged{acked: map[location]bool{}, prefix: map[uint32]uint64{}, stored: map[uint32]uint64{}}
		var violations violations
		e.onStore(func(partition uint32, offset uint64) {
			model.mu.Lock()
			defer model.mu.Unlock()
			if offset >= model.prefix[partition] {
				violations.add("offset %d of partition %d is committed, %d messages are acknowledged", offset, partition, model.prefix[partition])
			}
			if offset < model.stored[partition] {
				violations.add("the offset of partition %d went from %d to %d", partition, model.stored[partition], offset)
			}
			model.stored[partition] = offset
		})
		var faults []*iggytest.Injection
		for _, f := range []iggytest.Fault{
			iggytest.Cut().Chance(0.05, 1), iggytest.Cut().AfterEffect().Chance(0.05, 2), iggytest.HalfFrame().Chance(0.03, 3),
		} {
			faults = append(faults, e.server.Inject(f.On(embedded.StoreOffset)))
		}
		faults = append(faults, e.server.Inject(iggytest.Cut().AfterEffect().On(embedded.PollMessages).Chance(0.01, 4)))
		again := e.server.Inject(iggytest.Do(func(iggytest.Request) { _ = e.server.Rebalance("s", "t", "g") }).On(embedded.StoreOffset).Skip(30).Times(2))
		e.server.Inject(iggytest.Do(func(iggytest.Request) { _ = e.server.RemoveMembers("s", "t", "g") }).On(embedded.StoreOffset).Skip(60).Times(1))

		cfg := fastConfig()
		cfg.AckMode = config.AckManual
		cfg.CommitInterval, cfg.CommitEvery = 5*time.Millisecond, 5
		var wg sync.WaitGroup
		defer wg.Wait()
		all := newDeliveryCount()
		pool := make(chan *consumer.Message[string], 100)
		stopped := make(chan struct{})
		defer close(stopped)
		wg.Go(func() { // acknowledges in a random order
			var hand []*consumer.Message[string]
			for {
				select {
				case m := <-pool:
					hand = append(hand, m)
				case <-time.After(time.Millisecond): // no message arrives: acknowledge one
				case <-stopped:
					return
				}
				if len(hand) > 8 || len(hand) > 0 && len(pool) == 0 {
					i := rand.N(len(hand))
					m := hand[i]
					hand[i] = hand[len(hand)-1]
					hand = hand[:len(hand)-1]
					model.ack(locationOf(m))
					m.Ack()
					all.add(locationOf(m))
				}
			}
		})
		c := e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			pool <- m
			return nil
		})
		all.wait(t, 3*each)
		for p := range uint32(3) {
			e.server.WaitCommitted("s", "t", "g", p, each-1)
		}
		again.Wait(1)
		for _, f := range faults {
			f.Remove()
		}
		// The answer to the last commit may have been lost, which the stop can't repair.
		eventually(t, "the commits to be known", func() bool {
			now := c.Status().Partitions
			return len(now) == 3 && !slices.ContainsFunc(now, func(p consumer.PartitionStatus) bool { return p.Committed != each-1 || p.InFlight > 0 })
		})
		stop(t, c)
		violations.none(t)
	})
}

// coveringDialer observes every offset that is stored over its connections.
type coveringDialer struct {
	transport.Dialer
	store func(partition uint32, offset uint64)
}

func (d coveringDialer) Dial(ctx context.Context, address string, config *tls.Config) (transport.Conn, error) {
	c, err := d.Dialer.Dial(ctx, address, config)
	if err != nil {
		return nil, err
	}
	return &coveringConn{c, d.store}, nil
}

type coveringConn struct {
	transport.Conn
	store func(partition uint32, offset uint64)
}

func (c *coveringConn) StoreOffset(ctx context.Context, who transport.Consumer, partition uint32, offset uint64) error {
	if offset < 1<<61 { // the others ask whether the partition is assigned
		c.store(partition, offset)
	}
	return c.Conn.StoreOffset(ctx, who, partition, offset)
}

// Promise 4: while members join, leave and lose their connections, and messages fail, no offset is
// stored that acknowledged messages don't cover, and every message is handled.
func TestPromiseEveryStoredOffsetIsAcknowledged(t *testing.T) {
	t.Parallel()
	overServers(t, 4, func(t *testing.T, e *testEnv, cfg config.Consumer) {
		const each = 600
		cfg.CommitEvery, cfg.CommitInterval = 7, 20*time.Millisecond
		cfg.Retry.MaxDeliveries = -1
		cfg.Retry.BaseBackoff, cfg.Retry.MaxBackoff = time.Millisecond, 50*time.Millisecond
		var dialer transport.Dialer = native.Dialer{}
		if e.iggy.Transport == config.TransportSDK {
			dialer = sdk.Dialer{}
		}
		model := &acknowledged{acked: map[location]bool{}, prefix: map[uint32]uint64{}, stored: map[uint32]uint64{}}
		var violations violations
		stores := 0
		watched := coveringDialer{dialer, func(partition uint32, offset uint64) {
			model.mu.Lock()
			defer model.mu.Unlock()
			if stores++; offset >= model.prefix[partition] {
				violations.add("offset %d of partition %d is stored, %d messages are acknowledged", offset, partition, model.prefix[partition])
			}
		}}
		upstream := e.iggy.Address()
		all := newDeliveryCount()
		join := func() (*consumer.Consumer[string], *iggytest.Proxy) {
			proxy := iggytest.NewProxy(t, upstream)
			cluster := e.iggy
			cluster.Endpoint = "tcp://" + proxy.Address()
			cluster.Reconnect.BaseBackoff, cluster.Reconnect.MaxBackoff = time.Millisecond, 20*time.Millisecond
			cluster.Breaker = config.Breaker{Failures: 50, Delay: 10 * time.Millisecond}
			c, err := consumer.New(cluster, cfg, e.topic, consumer.WithDialer(watched), consumer.WithLogger(logger(t)))
			require.NoError(t, err)
			require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
				time.Sleep(rand.N(2 * time.Millisecond)) // the handler's work
				if rand.N(10) == 0 {
					return errBusy
				}
				model.ack(locationOf(m))
				all.add(locationOf(m))
				return nil
			}))
			start(t, c)
			t.Cleanup(func() { _ = c.Stop(context.Background()) })
			return c, proxy
		}
		for p := range uint32(4) {
			e.send(p, numbered("", each)...)
		}
		c, proxy := join()
		for step := 1; step <= 4; step++ {
			all.wait(t, step*4*each/5)
			next, nextProxy := join()
			proxy.CutConnections()
			all.wait(t, step*4*each/5+each/5)
			_ = c.Stop(t.Context()) // what waits for redelivery is delivered again
			c, proxy = next, nextProxy
		}
		all.wait(t, 4*each)
		stop(t, c)
		violations.none(t)
		model.mu.Lock()
		defer model.mu.Unlock()
		require.Greater(t, stores, 20)
		t.Logf("%d offsets stored, %d messages again", stores, all.repeats())
	})
}
