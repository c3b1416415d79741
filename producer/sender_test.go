package producer_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestBatchesFillWhileOneIsInFlight(t *testing.T) {
	t.Parallel()
	run(t, func(c *config.Producer) { c.MaxBatchMessages = 10 }, func(t *testing.T, s *server, p *producer.Producer) {
		s.set(func() { s.delay = time.Second })
		got := make(outcomes, 100)
		send := func(i int) {
			r := message("", fmt.Sprintf("%02d", i))
			r.Partition = producer.OnPartition(1)
			p.SendAsync(t.Context(), r, func(r producer.Result) { got <- r })
		}
		send(0)
		synctest.Wait() // it left alone, at once
		require.Equal(t, 1, s.count(&s.requests))
		for i := 1; i < 26; i++ {
			send(i)
		}
		started := time.Now()
		for _, r := range got.wait(t, 26) {
			require.Equal(t, producer.Confirmed, r.Outcome)
			require.EqualValues(t, 1, r.Partition)
		}
		require.Equal(t, 4, s.count(&s.requests), "1, 10, 10 and 5 messages")
		require.Equal(t, 4*time.Second, time.Since(started), "one request at a time for a partition")
		require.Len(t, s.payloads("t", 1), 26)
		require.IsIncreasing(t, s.payloads("t", 1))
	})
}

func TestPartitionsAreInFlightTogether(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.set(func() { s.delay = time.Second })
		started := time.Now()
		var messages []producer.Message
		for id := range uint32(4) {
			r := message("", "x")
			r.Partition = producer.OnPartition(id)
			messages = append(messages, r)
		}
		require.NoError(t, p.SendAll(t.Context(), messages...))
		require.Equal(t, time.Second, time.Since(started))
	})
}

func TestFailedBatchIsRetriedBeforeLaterOnes(t *testing.T) {
	t.Parallel()
	change := func(c *config.Producer) { c.MaxBatchMessages = 2 }
	run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
		s.fail(first(cutUnstored, failUnstored, cutBefore, succeed, cutUnstored))
		s.set(func() { s.delay = time.Second })
		for i := range 9 {
			p.SendAsync(t.Context(), message("k", fmt.Sprint(i)), nil)
		}
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8"}, s.payloads("t", wire.PartitionOf("k", 4)))
	})
}
