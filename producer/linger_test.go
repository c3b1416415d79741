package producer_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestLinger(t *testing.T) {
	t.Parallel()
	change := func(c *config.Producer) { c.Linger = time.Second; c.MaxBatchMessages = 3 }
	run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
		send := func() { // without an interest in the outcome
			r := message("", "x")
			r.Partition = producer.OnPartition(0)
			p.SendAsync(t.Context(), r, nil)
		}
		started := time.Now()
		send()
		s.await(t, func() bool { return s.count(&s.requests) == 1 })
		require.Equal(t, time.Second, time.Since(started), "the batch lingered")

		started = time.Now()
		send()
		send()
		send()
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, 2, s.count(&s.requests))
		require.Zero(t, time.Since(started), "a full batch does not wait")

		send()
		synctest.Wait()
		require.Equal(t, 2, s.count(&s.requests))
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, 3, s.count(&s.requests))
		require.Zero(t, time.Since(started), "a flush does not wait")
	})
}

// A batch of the configured size does not linger for the larger size that it may have because the server
// is at a distance.
func TestGrowingBatchDoesNotLinger(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*config.Producer){
		"messages": func(c *config.Producer) { c.MaxBatchMessages = 4 },
		"bytes":    func(c *config.Producer) { c.MaxBatchBytes = 1000 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, func(c *config.Producer) { c.Linger = time.Second; change(c) }, func(t *testing.T, s *server, p *producer.Producer) {
				s.partitions("t", 1)
				s.set(func() { s.delay = 20 * time.Millisecond })
				for range 3 { // then batches may have 8 times the size
					_, err := p.Send(t.Context(), message("", "x"))
					require.NoError(t, err)
				}
				for range 4 {
					p.SendAsync(t.Context(), message("", strings.Repeat("x", 200)), nil)
				}
				synctest.Wait()
				require.Equal(t, 4, s.count(&s.requests))
			})
		})
	}
}
