package main

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// measureStalled measures the heap while a producer's buffer is full, because the server does not
// read.
func measureStalled(ctx context.Context, b *bench) error {
	var stalled atomic.Bool
	proxy, err := newProxy(b.target.address, relayUnlessStalled(&stalled))
	if err != nil {
		return err
	}
	defer proxy.close()
	topic, remove, err := b.newTopic()
	if err != nil {
		return err
	}
	defer remove()
	cluster, cfg := b.cluster(), config.Default().Producer
	cluster.Endpoint = "iggy://" + proxy.address()
	cluster.RequestTimeout = time.Minute // longer than the measurement
	cfg.MaxBufferedMessages = 10_000_000 // only the bytes are limited
	cfg.DrainTimeout = 100 * time.Millisecond
	p, err := producer.New(cluster, cfg)
	if err != nil {
		return err
	}
	if err := p.Start(ctx); err != nil {
		return err
	}
	if err := b.sendAsync(ctx, p, topic, b.scale(100_000)); err != nil {
		return err
	}
	runtime.GC()
	runtime.GC()
	before := heapBytes()
	stalled.Store(true)

	sending, cancel := context.WithCancel(ctx)
	var sender sync.WaitGroup
	sender.Go(func() {
		m := producer.Message{Stream: b.stream, Topic: topic, Payload: b.payload}
		for i := 0; sending.Err() == nil; i++ {
			m.Key = b.keys[i%keyCount]
			p.SendAsync(sending, m, nil)
		}
	})
	var peak, buffered uint64
	full := time.Now()
	for time.Since(full) < 2*time.Second {
		status := p.Status()
		if status.Waiting == 0 {
			full = time.Now()
		}
		buffered = max(buffered, uint64(status.BufferedBytes))
		peak = max(peak, heapBytes()-min(before, heapBytes()))
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	sender.Wait()
	_ = p.Stop(ctx) // reports the unsent messages
	limit := float64(cfg.MaxBufferedBytes)
	b.table.add("send_stalled_heap_vs_limit", float64(peak)/limit, "highest heap above the idle producer's, to producer.max_buffered_bytes", atMost(1.25))
	b.table.add("send_stalled_buffered_vs_limit", float64(buffered)/limit, "highest buffered bytes, to producer.max_buffered_bytes", atMost(1))
	return nil
}
