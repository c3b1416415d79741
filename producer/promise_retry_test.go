package producer_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/producer"
)

// Promise 2: over all retries a message keeps its bytes and its id, a UUIDv7, and the messages of a
// key are stored in the order in which they were sent. Messages that are stored twice, since an
// answer was lost, are in order each time.
func TestPromiseRetriesKeepBytesIDsAndOrder(t *testing.T) {
	t.Parallel()
	overTransports(t, 4, func(t *testing.T, s *testServer) {
		s.cluster.RequestTimeout = 200 * time.Millisecond
		s.injectFaults()
		cfg := retryForever()
		cfg.MaxBatchMessages = 3 // up to 24 on a slow machine, in 50 requests
		p := s.producer(t, cfg)

		const keys, each = 8, 150
		var mu sync.Mutex
		ids := map[string][16]byte{} // by payload
		var failures []error
		var wg sync.WaitGroup
		for k := range keys {
			wg.Go(func() {
				for n := range each {
					payload := fmt.Sprintf("key-%d/%d", k, n)
					p.SendAsync(t.Context(), message(fmt.Sprintf("key-%d", k), payload), func(r producer.Result) {
						mu.Lock()
						defer mu.Unlock()
						if r.Err != nil {
							failures = append(failures, r.Err)
							return
						}
						ids[payload] = r.ID
					})
				}
			})
		}
		wg.Wait()
		require.NoError(t, p.Flush(t.Context()))
		require.Empty(t, failures)

		payloads := map[[16]byte]string{}
		for payload, id := range ids {
			require.EqualValues(t, 0x70, id[6]&0xf0, "UUID version")
			require.EqualValues(t, 0x80, id[8]&0xc0, "UUID variant")
			payloads[id] = payload
		}
		require.Len(t, payloads, keys*each, "ids are unique")
		next := map[string]int{}
		doubled := 0
		for _, m := range s.server.Messages("s", "t") {
			require.Equal(t, payloads[m.ID], string(m.Payload), "the bytes of id %x", m.ID)
			var k, n int
			_, err := fmt.Sscanf(string(m.Payload), "key-%d/%d", &k, &n)
			require.NoError(t, err)
			key := fmt.Sprint(k)
			require.LessOrEqual(t, n, next[key], "message %d of key %s is stored before its predecessor", n, key)
			if n < next[key] {
				doubled++
			}
			next[key] = max(next[key], n+1)
		}
		require.Positive(t, doubled, "no answer was lost: the test proves nothing")
		require.Positive(t, p.Status().Retries)
	})
}
