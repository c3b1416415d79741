package producer_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

const manyPartitions = 20

// sendToEach sends a message to each of the partitions without waiting.
func sendToEach(t *testing.T, p *producer.Producer, payload string, done func(producer.Result)) {
	for id := range uint32(manyPartitions) {
		m := message("", fmt.Sprint(payload, id))
		m.Partition = producer.OnPartition(id)
		p.SendAsync(t.Context(), m, done)
	}
}

// A connection to a server nearby has four requests in flight, and what waits for its turn gets more
// messages.
func TestBatchThatWaitsForItsTurnGetsMoreMessages(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.partitions("t", manyPartitions)
		s.set(func() { s.delay = time.Second })
		sendToEach(t, p, "first ", nil)
		synctest.Wait()
		require.Equal(t, 4, s.requests)
		sendToEach(t, p, "second ", nil)
		synctest.Wait()
		require.Equal(t, 4, s.requests)
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, manyPartitions+4, s.requests, "only the first four batches had one message")
		for id := range uint32(manyPartitions) {
			require.Equal(t, []string{fmt.Sprint("first ", id), fmt.Sprint("second ", id)}, s.payloads("t", id))
		}
	})
}

// A connection to a server at a distance has more requests in flight.
func TestDistantServerGetsMoreRequests(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.partitions("t", manyPartitions)
		s.set(func() { s.delay = 20 * time.Millisecond })
		sendToEach(t, p, "first ", nil)
		require.NoError(t, p.Flush(t.Context()))
		s.set(func() { s.requests = 0 })
		sendToEach(t, p, "second ", nil)
		synctest.Wait()
		require.Equal(t, manyPartitions, s.requests)
	})
}

// A message that waits for its turn has its outcome in time.
func TestMessageThatWaitsForItsTurnExpires(t *testing.T) {
	t.Parallel()
	run(t, func(c *config.Producer) { c.DeliveryTimeout = 3 * time.Second }, func(t *testing.T, s *server, p *producer.Producer) {
		s.partitions("t", manyPartitions)
		s.fail(always(stallUnstored))
		var expired atomic.Int32
		sendToEach(t, p, "", func(r producer.Result) {
			require.ErrorIs(t, r.Err, iggyerr.ErrDeliveryTimeout)
			expired.Add(1)
		})
		time.Sleep(3*time.Second + 50*time.Millisecond)
		synctest.Wait()
		require.EqualValues(t, manyPartitions, expired.Load())
	})
}

// A callback that blocks keeps no other partition waiting.
func TestBlockedCallbackLeavesTheTurnToOthers(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.partitions("t", manyPartitions)
		block := make(chan struct{})
		var reported atomic.Int32
		sendToEach(t, p, "", func(producer.Result) {
			reported.Add(1)
			<-block
		})
		synctest.Wait()
		require.EqualValues(t, manyPartitions, reported.Load())
		close(block)
		require.NoError(t, p.Flush(t.Context()))
	})
}
