package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// Promise 6: while nothing is lost nothing is delivered twice, also when members join and leave the
// group under load and rebalance each time.
func TestPromiseNoDuplicatesWithoutALoss(t *testing.T) {
	t.Parallel()
	overTransports(t, 4, func(t *testing.T, e *transportEnv) {
		all := newDeliveryCount()
		handler := func(_ context.Context, m *consumer.Message[string]) error {
			time.Sleep(3 * time.Millisecond) // the handler's work
			all.add(locationOf(m))
			return nil
		}
		owns := func(c *consumer.Consumer[string], n int) {
			e.server.WaitFor("a fair share", func() bool { return len(c.Status().Partitions) == n })
		}
		sent := make(chan int)
		enough := make(chan struct{})
		go func() {
			n := 0
			for {
				select {
				case <-enough:
					sent <- n
					return
				case <-time.After(time.Millisecond):
					for p := range uint32(4) {
						e.send(p, fmt.Sprintf("%d/x", n))
					}
					n += 4
				}
			}
		}()
		first := e.handling(fastConfig(), handler)
		owns(first, 4)
		second, third := e.handling(fastConfig(), handler), e.handling(fastConfig(), handler)
		owns(second, 1)
		owns(third, 1)
		stop(t, first) // what the others own changes with it
		owns(second, 2)
		owns(third, 2)
		stop(t, second)
		owns(third, 4)
		close(enough)
		all.wait(t, received(t, "the sender", sent))
		stop(t, third)
		require.Zero(t, all.repeats())
	})
}

// Promise 6: what is delivered again after a crash is bounded by max_in_flight and commit_every
// together, for each partition.
func TestPromiseDuplicatesAreBounded(t *testing.T) {
	t.Parallel()
	overTransports(t, 3, func(t *testing.T, e *transportEnv) {
		const each, partitions, window, every, crashes = 400, 3, 8, 12, 5
		for p := range uint32(partitions) {
			e.send(p, numbered("", each)...)
		}
		cfg := fastConfig()
		cfg.MaxInFlight, cfg.CommitEvery, cfg.CommitInterval = window, every, time.Hour
		all := newDeliveryCount()
		for n := range crashes {
			// To the server, a process that is killed is a connection that ends and does not come back.
			life := iggytest.NewProxy(t, e.server.Address())
			doomed := *e
			doomed.cluster.Endpoint = life.Endpoint()
			started := make(chan struct{})
			crash := sync.OnceFunc(func() {
				<-started // a start without a server would last until its deadline
				life.StopListening()
				life.CutConnections()
			})
			doomed.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
				if all.add(locationOf(m)) >= 200*(n+1) {
					crash()
				}
				return nil
			})
			close(started)
			all.wait(t, 200*(n+1))
			e.server.WaitFor("the server to notice", func() bool { return e.server.Members("s", "t", "g") == 0 })
		}
		last := e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			all.add(locationOf(m))
			return nil
		})
		all.wait(t, partitions*each)
		stop(t, last)
		require.Positive(t, all.repeats(), "nothing came again: the test proves nothing")
		require.LessOrEqual(t, all.repeats(), crashes*partitions*(window+every))
	})
}

func TestJoiningMemberCausesNoDuplicates(t *testing.T) {
	t.Parallel()
	overBothServers(t, 4, func(t *testing.T, e *testEnv, cfg config.Consumer) {
		cfg.FairAssignment = false
		log := newHandlerLog()
		stopLoad := e.load(4, 5*time.Millisecond)
		first := e.worker(cfg, log, time.Millisecond)
		log.wait(t, 200)
		begun := time.Now()
		second := e.worker(cfg, log, time.Millisecond)
		eventually(t, "a partition for the second member", func() bool {
			return slices.Equal(shares([]*consumer.Consumer[string]{first, second}), []int{1, 3})
		})
		t.Logf("handed over after %s", time.Since(begun))
		require.Less(t, time.Since(begun), 20*time.Second)
		log.wait(t, log.distinct()+200)
		log.wait(t, stopLoad())
		require.Zero(t, log.doubled)
		stop(t, second)
		stop(t, first)
	})
}
