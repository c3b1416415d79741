package consumer_test

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// overServers runs a test over both transports, against the embedded server in a hurry, and
// against a real one with the default configuration.
func overServers(t *testing.T, partitions uint32, test func(t *testing.T, r *rig, cfg config.Consumer)) {
	for _, name := range []config.Transport{config.TransportSDK, config.TransportNative} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			onBoth(t, partitions, func(t *testing.T, r *rig, cfg config.Consumer) {
				r.iggy.Transport = name
				test(t, r, cfg)
			})
		})
	}
}

// Promise 7: while the dead letters are away nothing is lost, offsets wait, and
// the consumer says so; when they are back each bad message is there.
func TestPromiseDeadLettersAwayForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(2)
		for p := range 2 {
			server.append(p, "a/0", "!garbage", "b/0", "c/bad", "d/0")
		}
		back := time.Now().Add(time.Minute)
		var mu sync.Mutex
		var bad problems
		letters, tries := map[place]string{}, 0
		box := letterBox(func(_ context.Context, f topic.Failure[string]) error {
			mu.Lock()
			defer mu.Unlock()
			if tries++; time.Now().Before(back) {
				return errors.New("the topic is away")
			}
			at := place{f.Origin.Partition, f.Origin.Offset}
			if _, ok := letters[at]; ok {
				bad.add("%v is there twice", at)
			}
			letters[at] = string(f.Payload)
			return nil
		})
		all := newAttendance()
		c := bubbledWithDeadLetters(t, server, nil, box, func(_ context.Context, m *consumer.Message[string]) error {
			if m.Value == "c/bad" {
				return consumer.Permanent(errBroken)
			}
			all.note(placeOf(m))
			return nil
		})
		time.Sleep(50 * time.Second)
		stored, _ := server.committed()
		require.Equal(t, map[uint32]uint64{0: 0, 1: 0}, stored, "offsets wait")
		require.ErrorContains(t, c.Check(t.Context()), "waits for the dead letters")
		server.append(0, "e/0")
		time.Sleep(time.Minute)
		stored, _ = server.committed()
		require.Equal(t, map[uint32]uint64{0: 5, 1: 4}, stored)
		require.NoError(t, c.Check(t.Context()))
		mu.Lock()
		require.Equal(t, map[place]string{
			{0, 1}: "!garbage", {0, 3}: "c/bad", {1, 1}: "!garbage", {1, 3}: "c/bad",
		}, letters)
		require.Less(t, tries, 100, "attempts come with pauses")
		mu.Unlock()
		require.NoError(t, c.Stop(t.Context()))
		require.Zero(t, all.repeated())
		require.Len(t, all.times, 7)
		bad.none(t)
	})
}

// Promise 4: a group that consumes takes partitions up that are added to its topic, from
// their start, and goes on with those that are left when others are deleted.
func TestPromisePartitionsComeAndGo(t *testing.T) {
	t.Parallel()
	overServers(t, 2, func(t *testing.T, r *rig, cfg config.Consumer) {
		all, anew := newAttendance(), newAttendance()
		handler := func(_ context.Context, m *consumer.Message[string]) error {
			if m.Key() == "anew" {
				anew.note(placeOf(m))
				return nil
			}
			all.note(placeOf(m))
			return nil
		}
		var members []*consumer.Consumer[string]
		for range 2 {
			c := r.consumer(cfg)
			require.NoError(t, c.Handle(handler))
			start(t, c)
			members = append(members, c)
		}
		owned := func() (n int) {
			for _, c := range members {
				n += len(c.Status().Partitions)
			}
			return n
		}
		for p := range uint32(2) {
			r.send(p, numbered("", 50)...)
		}
		all.wait(t, 100)
		change := func(f func(c *tcp.IggyTcpClient) error) {
			r.admin(func(c *tcp.IggyTcpClient) { require.NoError(t, f(c)) })
		}
		change(func(c *tcp.IggyTcpClient) error {
			return c.CreatePartitions(identifier(t, r.stream), identifier(t, "t"), 2)
		})
		for p := range uint32(4) {
			r.send(p, numbered("", 50)...)
		}
		all.wait(t, 300)
		eventually(t, "four partitions to be owned", func() bool { return owned() == 4 })

		change(func(c *tcp.IggyTcpClient) error {
			return c.DeletePartitions(identifier(t, r.stream), identifier(t, "t"), 2)
		})
		for p := range uint32(2) {
			r.send(p, numbered("", 50)...)
		}
		all.wait(t, 400)
		eventually(t, "two partitions to be owned", func() bool { return owned() == 2 })

		// And once more: they begin anew.
		change(func(c *tcp.IggyTcpClient) error {
			return c.CreatePartitions(identifier(t, r.stream), identifier(t, "t"), 1)
		})
		r.send(2, numbered("anew", 60)...)
		anew.wait(t, 60)
		for _, c := range members {
			stop(t, c)
		}
	})
}

// coveringDialer looks at every offset that is stored over its connections.
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
	if offset < 1<<61 { // the others ask whether the partition is owned
		c.store(partition, offset)
	}
	return c.Conn.StoreOffset(ctx, who, partition, offset)
}

// Promise 4: over a campaign of members that come, go and lose their connections, with messages that fail, no
// offset is ever stored that acknowledged messages don't cover, and every message is handled.
func TestPromiseEveryStoredOffsetIsCovered(t *testing.T) {
	t.Parallel()
	overServers(t, 4, func(t *testing.T, r *rig, cfg config.Consumer) {
		const each = 600
		cfg.CommitEvery, cfg.CommitInterval = 7, 20*time.Millisecond
		cfg.Retry.MaxDeliveries = -1
		cfg.Retry.BaseBackoff, cfg.Retry.MaxBackoff = time.Millisecond, 50*time.Millisecond
		var dialer transport.Dialer = native.Dialer{}
		if r.iggy.Transport == config.TransportSDK {
			dialer = sdk.Dialer{}
		}
		model := &acknowledged{acked: map[place]bool{}, prefix: map[uint32]uint64{}, stored: map[uint32]uint64{}}
		var bad problems
		stores := 0
		watched := coveringDialer{dialer, func(partition uint32, offset uint64) {
			model.mu.Lock()
			defer model.mu.Unlock()
			if stores++; offset >= model.prefix[partition] {
				bad.add("offset %d of partition %d is stored, %d messages are acknowledged", offset, partition, model.prefix[partition])
			}
		}}
		upstream := r.iggy.Address()
		all := newAttendance()
		join := func() (*consumer.Consumer[string], *iggytest.Proxy) {
			proxy := iggytest.NewProxy(t, upstream)
			cluster := r.iggy
			cluster.Endpoint = "tcp://" + proxy.Endpoint()
			cluster.Reconnect.BaseBackoff, cluster.Reconnect.MaxBackoff = time.Millisecond, 20*time.Millisecond
			cluster.Breaker = config.Breaker{Failures: 50, Delay: 10 * time.Millisecond}
			c, err := consumer.New(cluster, cfg, r.topic, consumer.WithDialer(watched), consumer.WithLogger(logger(t)))
			require.NoError(t, err)
			require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
				time.Sleep(rand.N(2 * time.Millisecond)) // the handler's work
				if rand.N(10) == 0 {
					return errBusy
				}
				model.ack(placeOf(m))
				all.note(placeOf(m))
				return nil
			}))
			start(t, c)
			t.Cleanup(func() { _ = c.Stop(context.Background()) })
			return c, proxy
		}
		for p := range uint32(4) {
			r.send(p, numbered("", each)...)
		}
		c, proxy := join()
		for step := 1; step <= 4; step++ {
			all.wait(t, step*4*each/5)
			next, nextProxy := join()
			proxy.CutConnections()
			all.wait(t, step*4*each/5+each/5)
			_ = c.Stop(t.Context()) // what waits for its next delivery comes again
			c, proxy = next, nextProxy
		}
		all.wait(t, 4*each)
		stop(t, c)
		bad.none(t)
		model.mu.Lock()
		defer model.mu.Unlock()
		require.Greater(t, stores, 20)
		t.Logf("%d offsets stored, %d messages again", stores, all.repeated())
	})
}
