package consumer_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// faultTest is a topic whose consumers are disturbed by everything that may happen at once:
// connections that are cut anywhere in an answer, garbage, rebalances, pauses, and an application
// that settles its messages in any way.
type faultTest struct {
	*transportEnv
	violations violations

	mu         sync.Mutex
	done       map[location]bool // the application is done with it: it may be committed
	left       int
	faults     []*iggytest.Injection
	allSettled chan struct{} // closed when nothing is left
	faultsOver atomic.Bool
}

const faultPartitions = 4

// faultPayload is the payload of the message at a location.
func faultPayload(at location) []byte {
	b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, at.partition), at.offset)
	return bytes.Repeat(b, 50)
}

// newFaultTest fills the partitions with messages, of which a third is compressed.
func newFaultTest(e *transportEnv, each int) *faultTest {
	s := &faultTest{transportEnv: e, done: map[location]bool{}, left: faultPartitions * each, allSettled: make(chan struct{})}
	for p := range uint32(faultPartitions) {
		var b wire.Batch
		for i := range each {
			payload, headers := faultPayload(location{p, uint64(i)}), wire.AppendHeader(nil, "number", fmt.Sprint(i))
			if i%3 == 0 {
				var err error
				payload, err = encoding.Append(nil, config.CompressionGzip, payload)
				require.NoError(e.t, err)
				headers = wire.AppendHeader(headers, topic.HeaderContentEncoding, string(config.CompressionGzip))
			}
			b.Append([16]byte{1, byte(p), byte(i), byte(i >> 8)}, 0, payload, headers)
		}
		e.sendBatch(p, &b)
	}
	return s
}

func (s *faultTest) inject(f iggytest.Fault) { s.faults = append(s.faults, s.server.Inject(f)) }

// settle notes that the application is done with a message.
func (s *faultTest) settle(at location) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done[at] {
		return
	}
	s.done[at] = true
	if s.left--; s.left == 0 {
		close(s.allSettled)
	}
}

// covered looks whether all messages up to a stored offset are done with.
func (s *faultTest) checkCommit(partition uint32, offset uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range offset + 1 {
		if !s.done[location{partition, i}] {
			s.violations.add("offset %d of partition %d was stored before %d was acknowledged", offset, partition, i)
			return
		}
	}
}

// intact looks whether a message is what was sent.
func (s *faultTest) checkPayload(m *consumer.Message[[]byte], when string) {
	at := location{m.Partition(), m.Offset()}
	if !bytes.Equal(m.Value, faultPayload(at)) {
		s.violations.add("the value of %v is not its own %s", at, when)
	}
	if m.Header("number") != fmt.Sprint(at.offset) {
		s.violations.add("the header of %v is %q %s", at, m.Header("number"), when)
	}
}

// handle does something with a message at random.
func (s *faultTest) handle(ctx context.Context, m *consumer.Message[[]byte]) error {
	s.checkPayload(m, "at first")
	at := location{m.Partition(), m.Offset()}
	if rand.IntN(50) == 0 {
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(rand.IntN(20)) * time.Millisecond): // slow work
		}
		s.checkPayload(m, "later")
	}
	if !s.faultsOver.Load() {
		switch rand.IntN(30) {
		case 0:
			return errors.New("failed")
		case 1:
			panic("failed")
		case 2:
			runtime.Goexit()
		case 3:
			return consumer.RetryAfter(time.Duration(rand.IntN(30))*time.Millisecond, nil)
		case 4:
			m.Nack(nil)
			return nil
		}
	}
	s.settle(at)
	switch rand.IntN(30) {
	case 0:
		return consumer.Drop
	case 1:
		return consumer.Permanent(errors.New("for good"))
	case 2:
		kept := m.Payload()
		before := bytes.Clone(kept)
		m.Ack()
		time.AfterFunc(5*time.Millisecond, func() {
			if !bytes.Equal(kept, before) {
				s.violations.add("the payload of %v changed after it was asked for", at)
			}
		})
		return errors.New("after it was acknowledged")
	}
	m.Ack()
	return nil
}

// iterate takes messages in loops that are left early now and then.
func (s *faultTest) iterate(c *consumer.Consumer[[]byte]) {
	for took := true; took; { // else the consumer has stopped
		took = false
		for m, err := range c.Messages(context.Background()) {
			if err != nil {
				s.violations.add("iteration: %v", err)
				return
			}
			took = true
			s.checkPayload(m, "in a loop")
			if !s.faultsOver.Load() && rand.IntN(10) == 0 {
				break // it is given back
			}
			s.settle(location{m.Partition(), m.Offset()})
		}
	}
}

// disturb does something to the consumers at random, until all is done with.
func (s *faultTest) injectFaults(members []*consumer.Consumer[[]byte]) {
	for round := 0; ; round++ {
		select {
		case <-s.allSettled:
			return
		case <-time.After(time.Duration(1+rand.IntN(15)) * time.Millisecond): // between two faults
		}
		c := members[rand.IntN(len(members))]
		polls := []embedded.Command{embedded.PollMessages}
		if rand.IntN(3) == 0 {
			polls = []embedded.Command{embedded.StoreOffset, embedded.GetOffset, embedded.GetTopic, embedded.JoinGroup}
		}
		p := uint32(rand.IntN(faultPartitions))
		switch rand.IntN(9) {
		case 0:
			s.server.CutConnections()
		case 1:
			s.inject(iggytest.CutAfter(rand.IntN(4000)).AfterEffect().On(polls...).Times(1))
		case 2:
			s.inject(iggytest.HalfFrame().On(polls...).Times(1))
		case 3:
			s.inject(iggytest.Reset().AfterEffect().On(polls...).Times(1))
		case 4:
			s.inject(iggytest.Garbage().On(polls...).Times(1))
		case 5:
			if err := s.server.Rebalance("s", "t", "g"); err != nil {
				s.violations.add("rebalance: %v", err)
			}
		case 6:
			c.Pause(p)
			time.AfterFunc(10*time.Millisecond, func() { c.Resume(p) })
		case 7:
			s.inject(iggytest.Slow(200_000).On(polls...).Times(1))
		default:
			_ = c.Status()
			_ = c.Check(context.Background())
		}
		if round == 300 {
			s.faultsOver.Store(true)
			return
		}
	}
}

// Messages are neither lost nor committed before they are done with, values stay what they are, nobody
// stands still, and all room is given back.
func TestRandomFaults(t *testing.T) {
	t.Parallel()
	type consume func(s *faultTest, c *consumer.Consumer[[]byte]) error
	one := func(s *faultTest, c *consumer.Consumer[[]byte]) error { return c.Handle(s.handle) }
	for name, mode := range map[string]struct {
		change  func(cfg *config.Consumer)
		consume consume
	}{
		"auto": {func(*config.Consumer) {}, one},
		"one":  {func(cfg *config.Consumer) { cfg.MaxInFlight, cfg.MaxBufferedBytes = 1, 1 }, one},
		"few":  {func(cfg *config.Consumer) { cfg.MaxInFlight, cfg.CommitInterval = 3, 0 }, one},
		"batch": {func(cfg *config.Consumer) { cfg.BatchSize = 20 }, func(s *faultTest, c *consumer.Consumer[[]byte]) error {
			return c.HandleBatch(func(ctx context.Context, batch []*consumer.Message[[]byte]) error {
				for _, m := range batch {
					if err := s.handle(ctx, m); err != nil {
						m.Nack(err)
					}
				}
				return nil
			})
		}},
		"manual": {func(cfg *config.Consumer) { cfg.AckMode = config.AckManual }, func(s *faultTest, c *consumer.Consumer[[]byte]) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[[]byte]) error {
				go func() {
					defer func() {
						_ = recover()
						m.Nack(nil) // where it was not ended
					}()
					if err := s.handle(m.Context(), m); err != nil {
						m.Nack(err)
					}
				}()
				return nil
			})
		}},
		"iteration": {func(*config.Consumer) {}, func(*faultTest, *consumer.Consumer[[]byte]) error { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overTransports(t, faultPartitions, func(t *testing.T, e *transportEnv) {
				each := stressSize(200)
				if name == "one" {
					each /= 4
				}
				s := newFaultTest(e, each)
				e.onStore(s.checkCommit)
				cfg := fastConfig()
				cfg.Concurrency, cfg.BatchSize, cfg.MaxInFlight, cfg.CommitEvery = 8, 50, 64, 50
				cfg.MaxBufferedBytes, cfg.CommitInterval, cfg.RebalanceTimeout, cfg.RebalanceGrace = 100_000, 5*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond
				cfg.Retry.MaxDeliveries = -1
				mode.change(&cfg)
				if cfg.Concurrency > cfg.MaxInFlight {
					cfg.Concurrency = cfg.MaxInFlight
				}
				e.cluster.Breaker = config.Breaker{}
				e.cluster.RequestTimeout = time.Second
				var members []*consumer.Consumer[[]byte]
				var iterations sync.WaitGroup
				for range 2 {
					c, err := consumer.New(e.cluster, cfg, topic.New(e.stream, "t", topic.Codec[[]byte](aliasing{}),
						topic.Key(func(b []byte) string { return fmt.Sprint(b[11] % 16) })), consumer.WithLogger(logger(t)))
					require.NoError(t, err)
					require.NoError(t, mode.consume(s, c))
					require.NoError(t, c.Start(t.Context()))
					members = append(members, c)
					if name != "iteration" {
						continue
					}
					for range 3 {
						iterations.Go(func() {
							s.iterate(c)
						})
					}
				}
				s.injectFaults(members)
				for _, fault := range s.faults {
					fault.Remove()
				}
				select {
				case <-s.allSettled:
				case <-time.After(testTimeout):
					s.violations.add("a wedge: %+v; %+v", members[0].Status(), members[1].Status())
				}
				s.violations.none(t)
				eventually(t, "nothing in flight", func() bool {
					return !slices.ContainsFunc(members, func(c *consumer.Consumer[[]byte]) bool {
						now := c.Status()
						// A member that is not in the group at its stop reports what its last membership left.
						return !now.Joined || now.InFlight != 0 || now.BufferedBytes != 0 || now.Buffered != 0 || now.Lag != 0
					})
				})
				for p := range uint32(faultPartitions) {
					e.server.WaitCommitted("s", "t", "g", p, uint64(each-1))
				}
				for _, c := range members {
					ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
					require.NoError(t, c.Stop(ctx))
					cancel()
				}
				iterations.Wait()
				s.violations.none(t)
				for _, c := range members {
					delivered, prefetched := consumer.Used(c)
					require.Zero(t, delivered)
					require.Zero(t, prefetched)
				}
			})
		})
	}
}
