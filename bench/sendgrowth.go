package main

import (
	"context"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// sendSettings are a topic's partitions and a producer's settings that are not the defaults.
type sendSettings struct {
	suffix     string
	partitions int
	buffer     config.Bytes
	goal       goal // of the rate, to prepared frames
}

// measureSendGrowth compares asynchronous sends to prepared frames of 1,000 messages, 8 requests in
// flight, for more partitions and for smaller buffers.
func measureSendGrowth(ctx context.Context, b *bench) error {
	full := config.Default().Producer.MaxBufferedBytes
	for _, at := range []sendSettings{
		{"_1_partition", 1, full, goal{}},
		{"_8_partitions", 8, full, atLeast(0.8)},
		{"_64_partitions", 64, full, atLeast(0.8)},
		{"_512_partitions", 512, full, atLeast(0.6)},
		{"_16MiB", 8, 16 << 20, goal{}},
		{"_4MiB", 8, 4 << 20, goal{}},
		{"_1MiB", 8, 1 << 20, goal{}},
	} {
		if err := b.compareSends(ctx, at); err != nil {
			return fmt.Errorf("%d partitions, %d bytes of buffer: %w", at.partitions, at.buffer, err)
		}
	}
	return nil
}

func (b *bench) compareSends(ctx context.Context, at sendSettings) error {
	cfg := config.Default().Producer
	cfg.MaxBufferedBytes = at.buffer
	p, err := producer.New(b.cluster(), cfg)
	if err != nil {
		return err
	}
	if err := p.Start(ctx); err != nil {
		return err
	}
	defer func() { _ = p.Stop(ctx) }()
	f, remove, err := b.framesOfNewTopic(ctx, at.partitions)
	if err != nil {
		return err
	}
	defer remove()
	inFlight := partitions
	samples, err := compare(ctx, b.rounds(5), b.scale(400_000),
		b.withNewTopicOf("library", at.partitions, topicOnly(func(topic string, n int) error { return b.sendAsync(ctx, p, topic, n) })),
		withSameTopic("frames", 0, func(n int) error { return f.send(n, inFlight) }),
	)
	if err != nil {
		return err
	}
	t, what := &b.table, fmt.Sprintf("%d partitions, max_buffered_bytes %d MiB", at.partitions, at.buffer>>20)
	t.add("send_vs_frames"+at.suffix, ratio(samples["library"], samples["frames"], rateOf), "messages/s, this library to ready frames of 1,000, 8 in flight, "+what, at.goal)
	t.add("send_per_s"+at.suffix, medianOf(samples["library"], rateOf), "messages/s, this library, "+what, goal{})
	t.add("send_cpu_ns"+at.suffix, medianOf(samples["library"], cpuOf), "client CPU per message in ns, "+what, goal{})
	return nil
}

// framesOfNewTopic creates a topic and prepares the frames for it. remove closes and deletes both.
func (b *bench) framesOfNewTopic(ctx context.Context, partitions int) (f *frames, remove func(), err error) {
	topic, removeTopic, err := b.newTopicWith(partitions)
	if err != nil {
		return nil, nil, err
	}
	if f, err = b.frames(ctx, topic, partitions); err != nil {
		removeTopic()
		return nil, nil, err
	}
	return f, func() {
		_ = f.conn.Close()
		removeTopic()
	}, nil
}
