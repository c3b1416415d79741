package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func TestHandlerBeyondRebalanceTimeoutIsCancelled(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2, embedded.WithHandoverTimeout(2*time.Second))
	e.send(0, "a/0")
	e.send(1, "b/0")
	cfg := fastConfig()
	cfg.FairAssignment = false
	cfg.RebalanceTimeout, cfg.DrainTimeout = 200*time.Millisecond, 100*time.Millisecond
	causes := make(chan error, 2)
	got := newSeen()
	c := e.consumer(cfg)
	require.NoError(t, c.Handle(func(ctx context.Context, m *consumer.Message[string]) error {
		if m.Offset() > 0 {
			return nil
		}
		got.add(m.Value)
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return ctx.Err()
	}))
	start(t, c)
	got.wait(t, 2)
	log := newHandlerLog()
	e.worker(cfg, log, 0)
	require.ErrorIs(t, <-causes, consumer.ErrLost)
	log.wait(t, 1)
	require.Contains(t, log.times, "b/0", "the other one gets it")
}

// The server hands a partition over when the last message that it returned is committed. That one
// may be beyond max_buffered_bytes, and this consumer has never seen it.
func TestHandoverAfterAnAnswerThatWasCutOff(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, e *transportEnv) {
		const each = 20
		text := strings.Repeat("x", 20_000)
		for p := range uint32(2) {
			e.send(p, slices.Repeat([]string{text}, each)...)
		}
		cfg := fastConfig()
		cfg.FairAssignment, cfg.MaxBufferedBytes = false, 50_000
		began, finish := make(chan struct{}, 2*each), make(chan struct{})
		c := e.handling(cfg, func(context.Context, *consumer.Message[string]) error {
			began <- struct{}{}
			<-finish
			return nil
		})
		for range 2 {
			received(t, "handlers", began)
		}
		log := newHandlerLog()
		other := e.member(cfg)
		require.NoError(t, other.Handle(func(_ context.Context, m *consumer.Message[string]) error {
			log.done(fmt.Sprint(locationOf(m)))
			return nil
		}))
		start(t, other)
		eventually(t, "one partition to be handed over", func() bool {
			return slices.ContainsFunc(c.Status().Partitions, func(p consumer.PartitionStatus) bool { return p.Leaving })
		})
		asked := time.Now()
		close(finish)
		eventually(t, "the other member to have it", func() bool { return len(other.Status().Partitions) == 1 })
		require.Less(t, time.Since(asked), testTimeout/2, "not only when the server takes it")
	})
}

// A partition whose rebalance timeout passed, and which stays since the server does not reassign
// it, continues with contexts that have not ended.
func TestPartitionKeptAfterRebalanceTimeoutContinues(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	const messages = 10
	for p := range uint32(2) {
		e.send(p, numbered("", messages)...)
	}
	cfg := fastConfig()
	cfg.FairAssignment, cfg.RebalanceTimeout, cfg.Concurrency = false, 50*time.Millisecond, 2
	ended := make(chan location, 2)
	release := make(chan struct{})
	c := e.consumer(cfg)
	require.NoError(t, c.Handle(func(ctx context.Context, m *consumer.Message[string]) error {
		if m.Offset() == 5 {
			select {
			case <-ctx.Done():
				ended <- locationOf(m)
				return ctx.Err()
			case <-release:
			}
		}
		return nil
	}))
	start(t, c)
	for p := range uint32(2) {
		e.server.WaitCommitted("s", "t", "g", p, 4)
	}
	refused := e.server.Inject(iggytest.Answer(embedded.StatusUnauthorized).On(embedded.StoreOffset).When(func(req iggytest.Request) bool {
		return req.Body[len(req.Body)-1] == 0 // not the question whether a partition is assigned
	}))
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	g := transport.Group{Stream: e.stream, Topic: "t", Name: "g"}
	require.NoError(t, e.conn.Join(ctx, g))
	received(t, "the time for the handover to pass", ended)
	refused.Wait(1)
	require.NoError(t, e.conn.Leave(ctx, g))
	refused.Remove()
	eventually(t, "both partitions go on", func() bool {
		s := c.Status()
		return len(s.Partitions) == 2 && !s.Partitions[0].Leaving && !s.Partitions[1].Leaving
	})
	close(release)
	for p := range uint32(2) {
		e.server.WaitCommitted("s", "t", "g", p, messages-1)
	}
}

// Promise 6: a message that waits for redelivery does not delay the handover of partitions to
// another member.
func TestPromiseHandoverDoesNotWaitForRetries(t *testing.T) {
	t.Parallel()
	for name, balance := range map[string]bool{"by notice": true, "by the server": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overTransports(t, 2, func(t *testing.T, e *transportEnv) {
				for p := range uint32(2) {
					e.send(p, "a/0", "late/0")
				}
				cfg := fastConfig()
				cfg.FairAssignment = balance
				cfg.RebalanceGrace, cfg.RebalanceTimeout = time.Minute, 29*time.Second
				cfg.DrainTimeout = 10 * time.Minute
				type delivery struct {
					member string
					location
					count int
				}
				came, handled := make(chan delivery, 100), make(chan struct{}, 100)
				work := func(member string) func(context.Context, *consumer.Message[string]) error {
					return func(_ context.Context, m *consumer.Message[string]) error {
						if m.Value == "b/0" && member == "first" {
							handled <- struct{}{}
						}
						if m.Value != "late/0" {
							return nil
						}
						came <- delivery{member, locationOf(m), m.Deliveries()}
						if member == "second" {
							return nil
						}
						return consumer.RetryAfter(time.Hour, errBusy)
					}
				}
				var log logLines
				first := e.handling(cfg, work("first"), consumer.WithLogger(log.logger()))
				for range 2 {
					received(t, "the messages that wait", came)
				}
				for p := range uint32(2) {
					e.server.WaitCommitted("s", "t", "g", p, 0)
				}
				second := e.handling(cfg, work("second"))
				// In a group of two with two partitions the server assigns one to the second member.
				got := received(t, "one of them at the second member", came)
				require.Equal(t, "second", got.member)
				require.Equal(t, 1, got.count)
				require.Len(t, second.Status().Partitions, 1)
				eventually(t, "the first one to go on", func() bool {
					s := first.Status()
					return len(s.Partitions) == 1 && !s.Partitions[0].Leaving && s.Partitions[0].Waiting == 1
				})
				e.send(1-got.partition, "b/0")
				received(t, "the other key at the first member", handled)
				eventually(t, "it to be acknowledged", func() bool { return first.Status().InFlight == 0 })
				require.NoError(t, first.Stop(t.Context()))
				log.requireWaiting(t, 1, 1)
				last := received(t, "the other one at the second member", came)
				require.Equal(t, delivery{"second", location{1 - got.partition, 1}, 1}, last)
			})
		})
	}
}
