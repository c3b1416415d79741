package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// stalledTimeout is the request timeout of the row, which is longer than the measurement.
const stalledTimeout = time.Minute

// stalledProducer returns the row of a producer whose buffer is full, because the server does not
// read.
func stalledProducer() row {
	cfg := config.Default().Producer
	cfg.MaxBufferedMessages = 10_000_000      // only the bytes are limited
	cfg.DrainTimeout = 100 * time.Millisecond // for the end of the measurement
	return row{
		group: groupTuned, table: tableMemory, name: "a producer while the server does not read",
		settings: differences(cfg, config.Default().Producer) + ", `iggy.request_timeout` " + stalledTimeout.String(),
		measure:  func(ctx context.Context, b *bench) (cells, error) { return b.measureStalled(ctx, cfg) },
	}
}

func (b *bench) measureStalled(ctx context.Context, cfg config.Producer) (cells, error) {
	at, err := b.place(ctx, base, rawForm)
	if err != nil {
		return nil, err
	}
	defer at.close()
	var stalled atomic.Bool
	relay, err := newProxy(at.address, relayUnlessStalled(&stalled))
	if err != nil {
		return nil, err
	}
	defer relay.close()
	source, _, err := at.newFilledTopic(0)
	if err != nil {
		return nil, err
	}
	cluster := b.cluster(relay.address())
	cluster.RequestTimeout = stalledTimeout
	p, err := producer.New(cluster, cfg)
	if err != nil {
		return nil, err
	}
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	m := producer.Message{Stream: b.stream, Topic: source, Payload: at.content}
	for i := range 20_000 {
		m.Key = at.key(i)
		p.SendAsync(ctx, m, nil)
	}
	if err := p.Flush(ctx); err != nil {
		return nil, err
	}
	heap := liveHeapBytes()
	stalled.Store(true)

	sending, cancel := context.WithCancel(ctx)
	var sender sync.WaitGroup
	sender.Go(func() {
		for i := 0; sending.Err() == nil; i++ {
			m.Key = at.key(i)
			p.SendAsync(sending, m, nil)
		}
	})
	watch := watchHeap()
	var bytes int64
	for full := time.Now(); time.Since(full) < time.Second; time.Sleep(5 * time.Millisecond) {
		status := p.Status()
		if status.Waiting == 0 {
			full = time.Now()
		}
		bytes = max(bytes, status.BufferedBytes)
	}
	peak := above(watch.stop(), heap)
	cancel()
	sender.Wait()
	_ = p.Stop(ctx) // reports the unsent messages
	return memoryCells(cfg.MaxBufferedBytes, heapPeak, peak, bytes), nil
}

// stuckConsumer returns the row of a consumer whose handlers hang, with more messages to read than it
// may buffer.
func stuckConsumer() row {
	cfg := throughputConfig("g")
	cfg.MaxInFlight, cfg.Concurrency = 1_000_000, 16 // only the bytes are limited
	cfg.DrainTimeout = 100 * time.Millisecond        // for the end of the measurement
	return row{
		group: groupTuned, table: tableMemory, name: fmt.Sprintf("a consumer of %d partitions while its handlers hang", stuckPartitions),
		settings: differences(cfg, config.DefaultConsumer("g")),
		measure:  func(ctx context.Context, b *bench) (cells, error) { return b.measureStuck(ctx, cfg) },
	}
}

// stuckPartitions are so many that the few polls that are prefetched of each have more than the limit.
const stuckPartitions = 64

func (b *bench) measureStuck(ctx context.Context, cfg config.Consumer) (cells, error) {
	w := base
	w.partitions = stuckPartitions
	at, err := b.place(ctx, w, rawForm)
	if err != nil {
		return nil, err
	}
	defer at.close()
	if b.messages < fullLengths.messages {
		cfg.MaxBufferedBytes /= 4 // less than there are messages
	}
	source, _, err := at.newFilledTopic(b.messages, cfg.Group)
	if err != nil {
		return nil, err
	}
	c, err := consumer.New(b.cluster(at.address), cfg, topic.New(b.stream, source, topic.Codec[[]byte](rawCodec{})))
	if err != nil {
		return nil, err
	}
	release := make(chan struct{})
	if err := c.Handle(func(context.Context, *consumer.Message[[]byte]) error {
		<-release
		return nil
	}); err != nil {
		return nil, err
	}
	heap := liveHeapBytes()
	if err := c.Start(ctx); err != nil {
		return nil, err
	}
	var peak uint64
	var bytes int64
	for full := time.Now(); time.Since(full) < time.Second; time.Sleep(20 * time.Millisecond) {
		runtime.GC() // only live memory counts
		peak = max(peak, heapBytes())
		if now := c.Status().BufferedBytes; now == 0 || now > bytes {
			bytes, full = max(bytes, now), time.Now()
		}
	}
	close(release)
	_ = c.Stop(ctx) // reports the unfinished messages
	return memoryCells(cfg.MaxBufferedBytes, liveHeap, above(peak, heap), bytes), nil
}

// memoryCells are the cells of a row that is about a limit.
func memoryCells(maxBytes config.Bytes, heapColumn column, heap float64, bytes int64) cells {
	l := float64(maxBytes)
	return cells{limit: l, heapColumn: heap, buffered: float64(bytes), heapVsLimit: heap / l, bufferedVsLimit: float64(bytes) / l}
}
