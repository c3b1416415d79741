package main

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// measureAllocations measures the allocations of the process per message, with raw payloads and
// with protobuf messages.
func measureAllocations(ctx context.Context, b *bench) error {
	p, err := b.producer(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = p.Stop(ctx) }()
	n := b.scale(200_000)
	raw, err := b.allocations(func(topic string) error { return b.sendAsync(ctx, p, topic, n) }, n)
	if err != nil {
		return err
	}
	typed, err := b.allocations(func(topic string) error { return b.publishAsync(ctx, p, topic, n) }, n)
	if err != nil {
		return err
	}
	b.table.add("send_allocs", raw, "allocations per message, raw payloads", atMost(1))
	b.table.add("send_allocs_proto", typed, "allocations per message, protobuf messages with headers", atMost(3))
	return nil
}

// allocations are the allocations per message of a second run. The first one warms up.
func (b *bench) allocations(run func(topic string) error, n int) (float64, error) {
	topic, remove, err := b.newTopic()
	if err != nil {
		return 0, err
	}
	defer remove()
	if err := run(topic); err != nil {
		return 0, err
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := run(topic); err != nil {
		return 0, err
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n), nil
}

// publishAsync publishes n download tasks and waits for their outcomes.
func (b *bench) publishAsync(ctx context.Context, p *producer.Producer, name string, n int) error {
	publisher := producer.For(p, topic.New(b.stream, name, topic.Proto[*jobspb.DownloadTask](),
		topic.Key(func(t *jobspb.DownloadTask) string { return t.GetJobId() })))
	var lost atomic.Int64
	done := func(r producer.Result) {
		if r.Outcome != producer.Confirmed {
			lost.Add(1)
		}
	}
	task := &jobspb.DownloadTask{
		JobType: "bench", ResourceId: "resource-1", Url: "https://example.com/some/where/in/the/tree/file.bin",
		Headers:     []*jobspb.HttpHeader{{Name: "accept", Value: "*/*"}, {Name: "user-agent", Value: "fetchbox"}},
		ManifestKey: "manifests/bench/1.json", Tenant: "bench", TraceId: "0123456789abcdef0123456789abcdef",
	}
	for i := range n {
		task.JobId = b.keys[i%keyCount]
		publisher.PublishAsync(ctx, task, done)
	}
	if err := p.Flush(ctx); err != nil {
		return err
	}
	if lost.Load() > 0 {
		return errors.New("messages were not confirmed")
	}
	return nil
}
