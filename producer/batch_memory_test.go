package producer_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// TestMemoryIsBoundedWhenTheServerStalls fills the buffer while no request is answered, with the
// payloads for which batches waste most: tiny ones, whose bookkeeping is larger than they are, and
// ones over many partitions, each of which had large batches before. It is not parallel: it
// measures the heap of the process.
func TestMemoryIsBoundedWhenTheServerStalls(t *testing.T) {
	const limit = 16 << 20
	for name, tt := range map[string]struct {
		partitions, payload int
	}{
		"tiny":             {8, 1},
		"usual":            {8, 512},
		"large":            {8, 100_000},
		"many partitions":  {200, 512},
		"larger than half": {3, 9_000_000},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.partitions("t", tt.partitions)
			p := start(t, s, func(c *config.Producer) {
				c.MaxBufferedBytes, c.MaxBufferedMessages = limit, 10_000_000
				c.DrainTimeout = time.Millisecond
			})
			r := producer.Message{Stream: "s", Topic: "t", Payload: make([]byte, tt.payload)}
			send := func(ctx context.Context, i int) {
				r.Partition = producer.OnPartition(uint32(i % tt.partitions))
				p.SendAsync(ctx, r, nil)
			}
			for i := range 2 * tt.partitions { // each learns the size of its batches
				for range min(1000, max(1, (1<<20)/(tt.payload+64))) {
					send(t.Context(), i)
				}
			}
			require.NoError(t, p.Flush(t.Context()))
			s.set(func() {
				s.topics["t"] = &fakeTopic{partitions: map[uint32][]stored{}}
				for id := range uint32(tt.partitions) {
					s.topics["t"].partitions[id] = nil
				}
				s.faults = always(stallUnstored)
			})
			runtime.GC()
			runtime.GC() // empties the pools
			before := heapBytes()

			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := 0; ctx.Err() == nil; i++ {
					send(ctx, i)
				}
			}()
			require.Eventually(t, func() bool { return p.Status().Waiting > 0 }, 30*time.Second, time.Millisecond)
			status := p.Status()
			used := heapBytes() - before
			cancel()
			<-done
			require.LessOrEqual(t, status.BufferedBytes, int64(limit))
			require.Greater(t, status.BufferedBytes, int64(limit/3), "the memory is used for messages")
			require.LessOrEqual(t, used, int64(limit+limit/4))
			t.Logf("%d bytes buffered, %d bytes of heap, the limit is %d", status.BufferedBytes, used, limit)
			_ = p.Stop(t.Context())
		})
	}
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
