package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

const codePoll = 100

// measurePolling compares the reading of 512-byte messages from 8 partitions
// over one connection: this library's consumer, as a member of a group with a trivial
// handler and automatic acknowledgement, beside the SDK's bare poll and beside
// answers that are read and not decoded, all with 1,000 messages a request.
func measurePolling(ctx context.Context, b *bench) error {
	n := b.amount(400_000) / (partitions * batchSize) * (partitions * batchSize)
	source, remove, err := b.filled(ctx, n)
	if err != nil {
		return err
	}
	defer remove()
	reader, err := b.reader(ctx, source, "g", throughput("g"))
	if err != nil {
		return err
	}
	defer func() { _ = reader.Stop(ctx) }()
	client, err := b.sdk()
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	frames, err := b.frames(ctx, source)
	if err != nil {
		return err
	}
	defer func() { _ = frames.conn.Close() }()

	samples, err := compete(ctx, b.rounds(9), n,
		onSameTopic("library", 1, func(n int) error { return reader.again(ctx, n) }),
		onSameTopic("sdk", 1, func(n int) error { return b.pollSDK(client, source, n) }),
		onSameTopic("frames", 1, func(n int) error { return frames.poll(b.stream, source, n) }),
	)
	if err != nil {
		return err
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := reader.again(ctx, n); err != nil {
		return err
	}
	runtime.ReadMemStats(&after)
	ours, sdk := samples["library"], samples["sdk"]
	t := &b.table
	t.add("poll_vs_sdk", ratio(ours, sdk, rateOf), "messages/s to a trivial handler, this library to the SDK's bare poll", atLeast(1))
	t.add("poll_vs_frames", ratio(ours, samples["frames"], rateOf), "messages/s, this library to answers read and not decoded", atLeast(0.6))
	t.add("poll_allocs", float64(after.Mallocs-before.Mallocs)/float64(n), "allocations per message", atMost(2))
	t.add("poll_per_s", middle(ours, rateOf), "messages/s, this library", goal{})
	t.add("poll_sdk_per_s", middle(sdk, rateOf), "messages/s, the SDK's bare poll", goal{})
	t.add("poll_frames_per_s", middle(samples["frames"], rateOf), "messages/s, answers read and not decoded", goal{})
	t.add("poll_cpu_ns", middle(ours, cpuOf), "client CPU per message in ns, this library", goal{})
	t.add("poll_sdk_cpu_ns", middle(sdk, cpuOf), "client CPU per message in ns, the SDK", goal{})
	return nil
}

// filled is a new topic with n messages spread evenly over its partitions, and
// the groups that readers need.
func (b *bench) filled(ctx context.Context, n int) (topic string, remove func(), err error) {
	topic, remove, err = b.newTopic()
	if err != nil {
		return "", nil, err
	}
	if err = b.groups(topic, "g"); err == nil && n > 0 {
		var f *frames
		if f, err = b.frames(ctx, topic); err == nil {
			err = f.send(n, partitions)
			_ = f.conn.Close()
		}
	}
	if err != nil {
		remove()
	}
	return topic, remove, err
}

func (b *bench) groups(topic, group string) error {
	for _, g := range []string{group, config.DefaultConsumer(group).CoordinationGroup()} {
		if _, err := b.control.CreateConsumerGroup(name(b.stream), name(topic), g); err != nil {
			return err
		}
	}
	return nil
}

// throughput is the configuration of a consumer for many small messages.
func throughput(group string) config.Consumer {
	cfg := config.DefaultConsumer(group)
	cfg.BatchSize = batchSize
	cfg.MaxInFlight = 2 * partitions * batchSize
	cfg.Concurrency = runtime.NumCPU() // the handler never waits
	cfg.CommitEvery = 100_000
	return cfg
}

// asIs gives payloads to handlers without copying them: they are not kept.
type asIs struct{}

func (asIs) Append(dst []byte, v []byte) ([]byte, error) { return append(dst, v...), nil }
func (asIs) Decode(payload []byte) ([]byte, error)       { return payload, nil }
func (asIs) ContentType() string                         { return "application/octet-stream" }
func (asIs) MessageType() string                         { return "" }

// reader is a consumer that counts what it is given.
type reader struct {
	*consumer.Consumer[[]byte]
	left atomic.Int64
	done chan struct{}
}

// reader is a started consumer of everything that the topic holds.
func (b *bench) reader(ctx context.Context, source, group string, cfg config.Consumer) (*reader, error) {
	c, err := consumer.New(b.cluster(), cfg, topic.New(b.stream, source, topic.Codec[[]byte](asIs{})), consumer.WithName(group))
	if err != nil {
		return nil, err
	}
	r := &reader{Consumer: c, done: make(chan struct{}, 1)}
	if err := c.Handle(func(context.Context, *consumer.Message[[]byte]) error {
		if r.left.Add(-1) == 0 {
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

// again reads the first n messages of the topic, as many of each partition.
func (r *reader) again(ctx context.Context, n int) error {
	if err := waitUntil(ctx, func() bool { return r.Status().InFlight == 0 && r.Status().Lag == 0 }); err != nil {
		return err
	}
	r.left.Store(int64(n))
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
		return fmt.Errorf("%d of %d messages missing: %w", r.left.Load(), n, ctx.Err())
	}
}

// pollSDK reads the first n messages with the SDK's bare poll.
func (b *bench) pollSDK(client *tcp.IggyTcpClient, topic string, n int) error {
	stream, id := name(b.stream), name(topic)
	who := iggcon.NewSingleConsumer(name("bench"))
	got := 0
	for at := 0; got < n; at += batchSize {
		for p := range uint32(partitions) {
			polled, err := client.PollMessages(stream, id, who, iggcon.OffsetPollingStrategy(uint64(at)), batchSize, false, &p)
			if err != nil {
				return err
			}
			if len(polled.Messages) == 0 {
				return errors.New("the SDK found no messages")
			}
			got += len(polled.Messages)
		}
	}
	return nil
}

// poll asks for the first n messages and reads the answers without looking at
// them, one request at a time.
func (f *frames) poll(stream, topic string, n int) error {
	for i := range n / batchSize {
		frame := pollFrame(stream, topic, uint32(i%partitions), uint64(i/partitions*batchSize))
		if _, err := f.conn.Write(frame); err != nil {
			return err
		}
		if err := f.answer(); err != nil {
			return err
		}
	}
	return nil
}

func pollFrame(stream, topic string, partition uint32, offset uint64) []byte {
	frame := append(wire.BeginFrame(nil, codePoll), 1)
	for _, s := range []string{"bench", stream, topic} {
		frame = append(append(frame, 2, byte(len(s))), s...)
	}
	frame = binary.LittleEndian.AppendUint32(append(frame, 1), partition)
	frame = binary.LittleEndian.AppendUint64(append(frame, 1), offset)
	frame = append(binary.LittleEndian.AppendUint32(frame, batchSize), 0)
	wire.EndFrame(frame, 0)
	return frame
}
