package main

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// measureStuck measures the heap of a consumer whose handlers hang, with more messages to read than
// it may buffer.
func measureStuck(ctx context.Context, b *bench) error {
	n := b.scale(400_000) / (partitions * batchSize) * (partitions * batchSize)
	source, remove, err := b.newFilledTopic(ctx, n)
	if err != nil {
		return err
	}
	defer remove()
	cfg := throughputConfig("g")
	cfg.MaxInFlight, cfg.Concurrency = 1_000_000, 16 // only the bytes are limited
	cfg.MaxBufferedBytes = config.Bytes(max(b.scale(32<<20), 4<<20))
	cfg.DrainTimeout = 100 * time.Millisecond
	c, err := consumer.New(b.cluster(), cfg, topic.New(b.stream, source, topic.Codec[[]byte](rawCodec{})))
	if err != nil {
		return err
	}
	release := make(chan struct{})
	var delivered atomic.Int64
	if err := c.Handle(func(context.Context, *consumer.Message[[]byte]) error {
		delivered.Add(1)
		<-release
		return nil
	}); err != nil {
		return err
	}
	runtime.GC()
	runtime.GC()
	before := heapBytes()
	if err := c.Start(ctx); err != nil {
		return err
	}
	var peak uint64
	for full := time.Now(); time.Since(full) < 3*time.Second; time.Sleep(20 * time.Millisecond) {
		runtime.GC() // only live memory counts
		peak = max(peak, heapBytes()-min(before, heapBytes()))
		if c.Status().BufferedBytes == 0 {
			full = time.Now()
		}
	}
	held := c.Status().BufferedBytes
	close(release)
	_ = c.Stop(ctx) // reports the unfinished messages
	limit := float64(cfg.MaxBufferedBytes)
	b.table.add("stuck_handler_heap_vs_limit", float64(peak)/limit, "highest live heap while handlers hang, to max_buffered_bytes", atMost(2))
	b.table.add("stuck_handler_bytes_vs_limit", float64(held)/limit, "bytes of the messages held, to max_buffered_bytes", atMost(1))
	return nil
}
