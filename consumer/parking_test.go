package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// parks has messages parked that wait longer than after, and creates their topic.
func (e *testEnv) parks(cfg config.Consumer, after time.Duration) config.Consumer {
	e.t.Helper()
	cfg.ParkAfter = after
	cfg.Retry.MaxDeliveries = 100
	a, err := admin.New(e.iggy)
	require.NoError(e.t, err)
	defer func() { require.NoError(e.t, a.Close()) }()
	_, err = a.Provision(e.t.Context(), admin.Spec{admin.Of(consumer.ParkedTopic(e.topic, cfg), cfg.Groups()...)})
	require.NoError(e.t, err)
	return cfg
}

// producer starts a producer that is stopped with the test.
func (e *testEnv) producer() *producer.Producer {
	e.t.Helper()
	p, err := producer.New(e.iggy, config.Default().Producer)
	require.NoError(e.t, err)
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	require.NoError(e.t, p.Start(ctx))
	e.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
		defer cancel()
		require.NoError(e.t, p.Stop(ctx))
	})
	return p
}

// delivered is what a handler sees of a message.
type delivered struct {
	value, key, payload string
	origin              topic.Origin
	created             time.Time
	headers             string
}

func deliveredOf(m *consumer.Message[string]) delivered {
	return delivered{m.Value, m.Key(), string(m.Payload()), m.Origin(), m.OriginTimestamp(), fmt.Sprint(m.Headers())}
}

// A parked message comes back when it is due, and not before, as what it was: only its deliveries are
// more. Meanwhile its offset is committed.
func TestPromiseParkedMessageComesBackAsItWas(t *testing.T) {
	t.Parallel()
	overServers(t, 1, func(t *testing.T, e *testEnv, cfg config.Consumer) {
		cfg = e.parks(cfg, 50*time.Millisecond)
		packed, err := encoding.Append(nil, config.CompressionZstd, []byte("k/packed"))
		require.NoError(t, err)
		var b wire.Batch
		headers := wire.AppendHeader(wire.AppendHeader(nil, "content-encoding", "zstd"), "tenant", "a")
		b.Append([16]byte{1}, 1000, packed, headers)
		b.Append([16]byte{2}, 2000, []byte("k/plain"), nil)
		e.sendBatch(0, &b)
		type delivery struct {
			delivered
			n  int
			at time.Time
		}
		deliveries := make(chan delivery, 10)
		wait := func(value string, n int) time.Duration {
			if value == "k/packed" {
				return time.Duration(n) * 400 * time.Millisecond
			}
			return 200 * time.Millisecond
		}
		c := e.consumer(cfg, consumer.WithParking(e.producer()))
		require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
			d := delivery{deliveredOf(m), m.Deliveries(), time.Now()}
			deliveries <- d
			if d.n < 3 {
				return consumer.RetryAfter(wait(d.value, d.n), errors.New("429"))
			}
			return nil
		}))
		start(t, c)
		defer stop(t, c)
		first := map[string]delivery{}
		last := map[string]delivery{}
		for range 6 {
			d := received(t, "a delivery", deliveries)
			before, seen := last[d.value]
			if !seen {
				require.Equal(t, 1, d.n)
				first[d.value] = d
			} else {
				require.Equal(t, before.n+1, d.n)
				require.Equal(t, first[d.value].delivered, d.delivered)
				require.GreaterOrEqual(t, d.at.Sub(before.at), wait(d.value, before.n), d.value)
			}
			last[d.value] = d
			if d.n == 1 && len(first) == 2 {
				eventually(t, "the offsets to be committed while the messages are parked", func() bool {
					s := c.Status().Partitions
					return len(s) == 1 && s[0].HasCommitted && s[0].Committed == 1
				})
			}
		}
		eventually(t, "nothing to be parked", func() bool {
			s := c.Status()
			return s.Parked.Lag == 0 && s.InFlight == 0 && s.Waiting == 0
		})
		require.Equal(t, e.topic.Name()+".g.parked", c.Status().Parked.Topic)
		require.NoError(t, c.Check(t.Context()))
	})
}

// Parked messages outlive the process that has parked them, with their attempts.
func TestPromiseParkedMessagesSurviveARestart(t *testing.T) {
	t.Parallel()
	overServers(t, 1, func(t *testing.T, e *testEnv, cfg config.Consumer) {
		cfg = e.parks(cfg, 50*time.Millisecond)
		e.send(0, "a/1", "b/2", "c/3")
		p := e.producer()
		parked := make(chan time.Time, 10)
		first := e.consumer(cfg, consumer.WithParking(p))
		require.NoError(t, first.Handle(func(context.Context, *consumer.Message[string]) error {
			parked <- time.Now()
			return consumer.RetryAfter(2*time.Second, nil)
		}))
		start(t, first)
		var at time.Time
		for range 3 {
			at = received(t, "a delivery", parked)
		}
		stop(t, first)

		again := make(chan int, 10)
		second := e.consumer(cfg, consumer.WithParking(p))
		require.NoError(t, second.Handle(func(_ context.Context, m *consumer.Message[string]) error {
			again <- m.Deliveries()
			return nil
		}))
		start(t, second)
		defer stop(t, second)
		for range 3 {
			require.Equal(t, 2, received(t, "a redelivery", again))
		}
		require.GreaterOrEqual(t, time.Since(at), 2*time.Second)
	})
}

// What is given up after it was parked is a failure of the message at its origin.
func TestPromiseParkedMessageThatIsGivenUpHasItsOrigin(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, e *transportEnv) {
		cfg := e.parks(fastConfig(), 20*time.Millisecond)
		cfg.Retry.MaxDeliveries = 3
		headers := wire.AppendHeader(nil, "tenant", "a")
		var b wire.Batch
		b.Append([16]byte{7}, 1000, []byte("k/x"), headers)
		e.sendBatch(1, &b)
		box := newDeadLetterRecorder()
		e.handlingWithDeadLetters(cfg, box, func(context.Context, *consumer.Message[string]) error {
			return consumer.RetryAfter(100*time.Millisecond, errors.New("429"))
		}, consumer.WithParking(e.producer()))
		f := box.wait(t, 1)[0]
		require.Equal(t, 3, f.Attempts)
		require.EqualError(t, f.Err, "429 (retry after 100ms)")
		require.Equal(t, "s/t/1/0 g", fmt.Sprintf("%s/%s/%d/%d %s", f.Origin.Stream, f.Origin.Topic, f.Origin.Partition, f.Origin.Offset, f.Origin.Group))
		require.Equal(t, [16]byte{7}, f.Origin.ID)
		require.Equal(t, []topic.Header{{Key: "tenant", Value: "a"}}, f.Headers)
		f.Raw.Timestamp = time.Time{}
		require.Equal(t, topic.RawMessage{
			Stream: "s", Topic: "t", Partition: 1, Key: "k", ID: [16]byte{7}, OriginTimestamp: time.UnixMicro(1000).UTC(), Payload: []byte("k/x"), Headers: headers,
		}, f.Raw)
	})
}

// A parked message holds nothing: with one message in flight at a time, and hundreds that are parked, the
// others go on, also those of the same key.
func TestPromiseParkedMessagesHoldNothing(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		const parked = 300
		cfg := e.parks(fastConfig(), 50*time.Millisecond)
		cfg.MaxInFlight, cfg.Concurrency = 1, 1
		e.send(0, numbered("long", parked)...)
		e.send(0, "long/after")
		done := make(chan struct{})
		c := e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			if m.Value == "long/after" {
				close(done)
				return nil
			}
			return consumer.RetryAfter(time.Hour, nil)
		}, consumer.WithParking(e.producer()))
		received(t, "the message behind", done)
		e.server.WaitCommitted("s", "t", "g", 0, parked)
		e.server.WaitFor("the parked messages", func() bool { return c.Status().Parked.Lag == parked })
		s := c.Status()
		require.Zero(t, s.InFlight)
		require.Zero(t, s.Waiting)
		require.Zero(t, s.Lag)
		require.NoError(t, c.Check(t.Context()))
		// Nothing waits for them.
		began := time.Now()
		stop(t, c)
		require.Less(t, time.Since(began), 5*time.Second)
	})
}

// The offset of a message waits for the confirmation of its parked copy. Until then the consumer is not
// ready and says why.
func TestPromiseOffsetWaitsForTheParkedCopy(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		cfg := e.parks(fastConfig(), 20*time.Millisecond)
		cfg.CommitInterval = 0 // an offset is stored at once
		a, err := admin.New(e.cluster)
		require.NoError(t, err)
		defer func() { require.NoError(t, a.Close()) }()
		require.NoError(t, a.DeleteTopic(t.Context(), "s", "t.g.parked"))
		var violations violations
		var provisioned atomic.Bool
		e.onStore(func(_ uint32, offset uint64) {
			if !provisioned.Load() {
				violations.add("offset %d is committed while nothing can be parked", offset)
			}
		})
		e.send(0, "a/1")
		deliveries := make(chan int, 10)
		c := e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			deliveries <- m.Deliveries()
			if m.Deliveries() == 1 {
				return consumer.RetryAfter(100*time.Millisecond, nil)
			}
			return nil
		}, consumer.WithParking(e.producer()))
		require.Equal(t, 1, received(t, "the delivery", deliveries))
		e.server.WaitFor("the check to fail", func() bool {
			err := c.Check(t.Context())
			return err != nil && strings.Contains(err.Error(), "partition 0 waits to park a message: ") && strings.Contains(err.Error(), "parked messages: ")
		})
		provisioned.Store(true)
		e.parks(fastConfig(), 20*time.Millisecond)
		require.Equal(t, 2, received(t, "the redelivery", deliveries))
		e.server.WaitCommitted("s", "t", "g", 0, 0)
		e.server.WaitFor("the check to pass", func() bool { return c.Check(t.Context()) == nil })
		violations.none(t)
	})
}

// A message that is read again on purpose is parked again. Its copy is no duplicate of the former one.
func TestPromiseMessageIsParkedAgainAfterAReset(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	cfg := e.parks(fastConfig(), 20*time.Millisecond)
	cfg.DedupWindow = 100
	e.send(0, "a/1")
	deliveries := make(chan int, 10)
	c := e.consumer(cfg, consumer.WithParking(e.producer()))
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		deliveries <- m.Deliveries()
		if m.Deliveries() == 1 {
			return consumer.RetryAfter(100*time.Millisecond, nil)
		}
		return nil
	}))
	start(t, c)
	defer stop(t, c)
	for range 2 {
		require.Equal(t, 1, received(t, "the delivery", deliveries))
		require.Equal(t, 2, received(t, "the redelivery", deliveries))
		e.server.WaitCommitted("s", "t", "g", 0, 0)
		e.server.WaitFor("nothing to be parked", func() bool { return c.Status().Parked.Lag == 0 })
		require.NoError(t, c.Seek(t.Context(), 0, consumer.First()))
	}
}

// Messages that are taken by Next or in batches are parked, too.
func TestParkedMessagesGoWhereTheOthersGo(t *testing.T) {
	t.Parallel()
	t.Run("next", func(t *testing.T) {
		t.Parallel()
		e := newTestEnv(t, 1)
		cfg := e.parks(fastConfig(), 20*time.Millisecond)
		c := e.consumer(cfg, consumer.WithParking(e.producer()))
		start(t, c)
		defer stop(t, c)
		e.send(0, "a/1")
		for n := 1; n <= 3; n++ {
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			m, err := c.Next(ctx)
			cancel()
			require.NoError(t, err)
			require.Equal(t, n, m.Deliveries())
			if n < 3 {
				m.Nack(consumer.RetryAfter(100*time.Millisecond, nil))
				continue
			}
			ctx, cancel = context.WithTimeout(t.Context(), testTimeout)
			require.NoError(t, m.AckSync(ctx))
			cancel()
		}
		e.server.WaitFor("nothing to be parked", func() bool { return c.Status().Parked.Lag == 0 })
	})
	t.Run("batches", func(t *testing.T) {
		t.Parallel()
		e := newTestEnv(t, 1)
		cfg := e.parks(fastConfig(), 20*time.Millisecond)
		e.send(0, numbered("a", 10)...)
		var mu sync.Mutex
		handled := map[string]int{}
		c := e.consumer(cfg, consumer.WithParking(e.producer()))
		require.NoError(t, c.HandleBatch(func(_ context.Context, batch []*consumer.Message[string]) error {
			mu.Lock()
			defer mu.Unlock()
			for _, m := range batch {
				if m.Deliveries() == 1 {
					return consumer.RetryAfter(150*time.Millisecond, nil)
				}
			}
			for _, m := range batch {
				handled[m.Value]++
			}
			return nil
		}))
		start(t, c)
		defer stop(t, c)
		e.server.WaitFor("all messages", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(handled) == 10
		})
		e.server.WaitFor("nothing to be parked", func() bool { return c.Status().Parked.Lag == 0 })
		e.server.WaitCommitted("s", "t", "g", 0, 9)
	})
}

// Members share the partitions of the parked messages, and none is lost or delivered twice while they
// join and leave.
func TestParkedMessagesSurviveRebalances(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	cfg := e.parks(fastConfig(), 20*time.Millisecond)
	p := e.producer()
	all := newDeliveryCount()
	handler := func(_ context.Context, m *consumer.Message[string]) error {
		if m.Deliveries() < 4 {
			return consumer.RetryAfter(time.Duration(50+rand.IntN(200))*time.Millisecond, nil)
		}
		all.add(locationOf(m))
		return nil
	}
	member := func() *consumer.Consumer[string] {
		c := e.consumer(cfg, consumer.WithParking(p))
		require.NoError(t, c.Handle(handler))
		start(t, c)
		return c
	}
	stopLoad := e.load(2, 5*time.Millisecond)
	first := member()
	all.wait(t, 50)
	second := member()
	e.server.WaitFor("shared partitions", func() bool {
		return len(second.Status().Parked.Partitions) > 0 && len(second.Status().Partitions) > 0
	})
	all.wait(t, 200)
	stop(t, first)
	all.wait(t, stopLoad())
	stop(t, second)
	require.Zero(t, all.repeats())
}

// Promise 6: no crash at any point loses a parked message, and the duplicates are bounded by what was in
// flight or not committed, in the partitions of the topic and in those of the parked messages.
func TestPromiseParkedMessagesSurviveCrashes(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, e *transportEnv) {
		const messages, crashes, inFlight, every = 60, 6, 4, 4
		cfg := e.parks(fastConfig(), 20*time.Millisecond)
		cfg.MaxInFlight, cfg.CommitEvery, cfg.CommitInterval = inFlight, every, time.Hour
		p := e.producer()
		for i := range messages {
			e.send(uint32(i%2), fmt.Sprintf("k%d/%d", i, i))
		}
		done := newDeliveryCount()
		var mu sync.Mutex
		most := map[string]int{} // deliveries
		handler := func(after func(n int)) func(_ context.Context, m *consumer.Message[string]) error {
			n := 0
			return func(_ context.Context, m *consumer.Message[string]) error {
				mu.Lock()
				n++
				most[m.Value] = max(most[m.Value], m.Deliveries())
				now := n
				mu.Unlock()
				defer after(now)
				if m.Deliveries() < 3 {
					return consumer.RetryAfter(time.Duration(30+rand.IntN(150))*time.Millisecond, nil)
				}
				done.add(locationOf(m))
				return nil
			}
		}
		for range crashes {
			// To the server, a process that is killed is a connection that ends and does not come back. What
			// it has sent by its producer is stored.
			life := iggytest.NewProxy(t, e.server.Address())
			doomed := *e
			doomed.cluster.Endpoint = life.Endpoint()
			started, crashed := make(chan struct{}), make(chan struct{})
			crash := sync.OnceFunc(func() {
				<-started // a start without a server would last until its deadline
				life.StopListening()
				life.CutConnections()
				close(crashed)
			})
			at := 5 + rand.IntN(30)
			doomed.handling(cfg, handler(func(n int) {
				if n == at {
					crash()
				}
			}), consumer.WithParking(p))
			close(started)
			received(t, "the crash", crashed)
			e.server.WaitFor("the server to notice", func() bool {
				return e.server.Members("s", "t", "g") == 0 && e.server.Members("s", "t.g.parked", "g") == 0
			})
		}
		last := e.handling(cfg, handler(func(int) {}), consumer.WithParking(p))
		done.wait(t, messages)
		e.server.WaitFor("nothing to be parked", func() bool { return last.Status().Parked.Lag == 0 && last.Status().Lag == 0 })
		stop(t, last)
		// Each of the 2 + 8 partitions repeats as much as it may after a crash.
		require.LessOrEqual(t, done.repeats(), crashes*(2+8)*(inFlight+every))
		for value, n := range most {
			require.Equal(t, 3, n, value)
		}
	})
}

// Two groups that park in one topic, on purpose or since their names make one name, get their own messages
// only.
func TestPromiseParkedMessagesGoToTheirConsumer(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		cfg := fastConfig()
		cfg.Parked.Name = "shared"
		cfg = e.parks(cfg, 20*time.Millisecond)
		other := cfg
		other.Group = "h"
		for _, group := range other.Groups() {
			e.server.CreateGroup("s", "t", group)
			e.server.CreateGroup("s", "shared", group)
		}
		e.send(0, numbered("a", 20)...)
		seen, foreign := newDeliveryCount(), newDeliveryCount()
		parking := e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			if m.Deliveries() == 1 {
				return consumer.RetryAfter(100*time.Millisecond, nil)
			}
			seen.add(locationOf(m))
			return nil
		}, consumer.WithParking(e.producer()))
		c := e.handling(other, func(_ context.Context, m *consumer.Message[string]) error {
			foreign.add(locationOf(m))
			return nil
		}, consumer.WithParking(e.producer()))
		seen.wait(t, 20)
		foreign.wait(t, 20)
		e.server.WaitFor("all to be settled", func() bool { return parking.Status().Parked.Lag == 0 && c.Status().Parked.Lag == 0 })
		require.Zero(t, seen.repeats())
		require.Zero(t, foreign.repeats())
		require.NoError(t, c.Check(t.Context()))
	})
}

func TestParkingNeedsAProducerAndAGroup(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	cfg := fastConfig()
	cfg.ParkAfter = time.Minute
	_, err := consumer.New(e.iggy, cfg, e.topic)
	require.EqualError(t, err, "iggy: consumer t: park_after needs a producer that writes the parked messages: WithParking")
	_, err = consumer.New(e.iggy, cfg, e.topic, consumer.WithParking(e.producer()), consumer.WithStandalone(consumer.Standalone{}))
	require.EqualError(t, err, "iggy: consumer t: park_after is for members of a group, not for standalone consumers")
	cfg.Parked.Name = e.topic.Name()
	_, err = consumer.New(e.iggy, cfg, e.topic, consumer.WithParking(e.producer()))
	require.EqualError(t, err, "iggy: consumer t: parked.name must not be the name of the consumer's topic")
	c, err := consumer.New(e.iggy, fastConfig(), e.topic, consumer.WithParking(e.producer()))
	require.NoError(t, err)
	require.Nil(t, c.Status().Parked)
}
