package producer_test

import (
	"context"
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

// A partition has one request in flight, so a server at a distance gets larger batches, unless the
// network or the server is slow.
func TestDistantServerGetsLargerBatches(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		delays []time.Duration // of the requests before
		want   int             // messages of the largest batch
	}{
		"nearby":           {[]time.Duration{100 * time.Microsecond, 100 * time.Microsecond, 100 * time.Microsecond}, 10},
		"at a distance":    {[]time.Duration{20 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond}, 80},
		"at half a ms":     {[]time.Duration{500 * time.Microsecond, 500 * time.Microsecond}, 30},
		"slow":             {[]time.Duration{time.Second, time.Second, time.Second}, 10},
		"slow for a while": {[]time.Duration{20 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond, time.Second}, 40},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(c *config.Producer) { c.MaxBatchMessages = 10 }, func(t *testing.T, s *server, p *producer.Producer) {
				s.partitions("t", 1)
				for _, delay := range tt.delays {
					s.set(func() { s.delay = delay })
					_, err := p.Send(t.Context(), message("", "one"))
					require.NoError(t, err)
				}
				s.set(func() { s.delay, s.largest = time.Millisecond, 0 })
				for range 200 {
					p.SendAsync(t.Context(), message("", "many"), nil)
				}
				synctest.Wait() // the first batch is in flight, those of the others are full
				require.NoError(t, p.Flush(t.Context()))
				require.Equal(t, tt.want, s.count(&s.largest))
			})
		})
	}
}

// A request that is not answered within half of the request timeout is slow, too.
func TestBatchesShrinkWhenRequestsTimeOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.partitions("t", 1)
		cluster, cfg := settings(func(c *config.Producer) { c.MaxBatchMessages, c.Retry.MaxRetries = 10, 0 })
		cluster.RequestTimeout = 200 * time.Millisecond
		p, err := producer.New(cluster, cfg, producer.WithDialer(s))
		require.NoError(t, err)
		require.NoError(t, p.Start(t.Context()))
		defer func() { _ = p.Stop(context.Background()) }()
		s.set(func() { s.delay = 20 * time.Millisecond })
		for range 3 {
			_, err := p.Send(t.Context(), message("", "one"))
			require.NoError(t, err)
		}
		s.set(func() {
			s.faults = func(string, uint32, [][16]byte) fault { return stallUnstored }
		})
		_, err = p.Send(t.Context(), message("", "lost"))
		require.Error(t, err)
		s.set(func() { s.faults, s.largest = nil, 0 })
		for range 200 {
			p.SendAsync(t.Context(), message("", "many"), nil)
		}
		synctest.Wait()
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, 40, s.count(&s.largest))
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
