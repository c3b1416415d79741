package main

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// throughputConfig is the configuration of a consumer for many small messages.
func throughputConfig(group string) config.Consumer {
	cfg := config.DefaultConsumer(group)
	cfg.BatchSize = batchSize
	cfg.MaxInFlight = 2 * partitions * batchSize
	cfg.Concurrency = runtime.NumCPU() // the handler never blocks
	cfg.CommitEvery = 100_000
	return cfg
}

// rawCodec decodes a payload without copying it: the handlers do not keep it.
type rawCodec struct{}

func (rawCodec) Append(dst []byte, v []byte) ([]byte, error)            { return append(dst, v...), nil }
func (rawCodec) Decode(payload []byte, _ topic.Headers) ([]byte, error) { return payload, nil }
func (rawCodec) ContentType() string                                    { return "application/octet-stream" }
func (rawCodec) MessageType() string                                    { return "" }

// countingReader is a consumer that counts messages.
type countingReader struct {
	*consumer.Consumer[[]byte]
	remaining atomic.Int64
	done      chan struct{}
}

// reader starts a consumer of a topic, and waits until it has all partitions.
func (b *bench) reader(ctx context.Context, source, group string, cfg config.Consumer) (*countingReader, error) {
	c, err := consumer.New(b.cluster(), cfg, topic.New(b.stream, source, topic.Codec[[]byte](rawCodec{})), consumer.WithName(group))
	if err != nil {
		return nil, err
	}
	r := &countingReader{Consumer: c, done: make(chan struct{}, 1)}
	if err := c.Handle(func(context.Context, *consumer.Message[[]byte]) error {
		if r.remaining.Add(-1) == 0 {
			r.done <- struct{}{}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if err := c.Start(ctx); err != nil {
		return nil, err
	}
	return r, waitUntil(ctx, func() bool { return len(c.Status().Partitions) == partitions })
}

// readAgain reads the first n messages of the topic, the same number from each partition.
func (r *countingReader) readAgain(ctx context.Context, n int) error {
	if err := waitUntil(ctx, func() bool { return r.Status().InFlight == 0 && r.Status().Lag == 0 }); err != nil {
		return err
	}
	r.remaining.Store(int64(n))
	for p := range uint32(partitions) {
		r.Pause(p)
	}
	for p := range uint32(partitions) {
		if err := r.Seek(ctx, p, consumer.First()); err != nil {
			return err
		}
	}
	for p := range uint32(partitions) {
		r.Resume(p)
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d of %d messages missing: %w", r.remaining.Load(), n, ctx.Err())
	}
}
