package main

import (
	"context"
	"errors"
	"runtime"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
)

// measurePolling compares how 512-byte messages are read from 8 partitions over one connection,
// with 1,000 messages a request: by the library's consumer in a group, with a trivial handler and
// automatic acknowledgement; by the SDK's poll; and by reading the answers without decoding them.
func measurePolling(ctx context.Context, b *bench) error {
	n := b.scale(400_000) / (partitions * batchSize) * (partitions * batchSize)
	source, remove, err := b.newFilledTopic(ctx, n)
	if err != nil {
		return err
	}
	defer remove()
	reader, err := b.reader(ctx, source, "g", throughputConfig("g"))
	if err != nil {
		return err
	}
	defer func() { _ = reader.Stop(ctx) }()
	client, err := b.sdk()
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	frames, err := b.frames(ctx, source, partitions)
	if err != nil {
		return err
	}
	defer func() { _ = frames.conn.Close() }()

	samples, err := compare(ctx, b.rounds(9), n,
		withSameTopic("library", 1, func(n int) error { return reader.readAgain(ctx, n) }),
		withSameTopic("sdk", 1, func(n int) error { return b.pollSDK(client, source, n) }),
		withSameTopic("frames", 1, func(n int) error { return frames.poll(b.stream, source, n) }),
	)
	if err != nil {
		return err
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := reader.readAgain(ctx, n); err != nil {
		return err
	}
	runtime.ReadMemStats(&after)
	library, sdk := samples["library"], samples["sdk"]
	t := &b.table
	t.add("poll_vs_sdk", ratio(library, sdk, rateOf), "messages/s to a trivial handler, this library to the SDK's bare poll", atLeast(1))
	t.add("poll_vs_frames", ratio(library, samples["frames"], rateOf), "messages/s, this library to answers read and not decoded", atLeast(0.6))
	t.add("poll_allocs", float64(after.Mallocs-before.Mallocs)/float64(n), "allocations per message", atMost(2))
	t.add("poll_per_s", medianOf(library, rateOf), "messages/s, this library", goal{})
	t.add("poll_sdk_per_s", medianOf(sdk, rateOf), "messages/s, the SDK's bare poll", goal{})
	t.add("poll_frames_per_s", medianOf(samples["frames"], rateOf), "messages/s, answers read and not decoded", goal{})
	t.add("poll_cpu_ns", medianOf(library, cpuOf), "client CPU per message in ns, this library", goal{})
	t.add("poll_sdk_cpu_ns", medianOf(sdk, cpuOf), "client CPU per message in ns, the SDK", goal{})
	return nil
}

// pollSDK reads the first n messages with the SDK's poll.
func (b *bench) pollSDK(client *tcp.IggyTcpClient, topic string, n int) error {
	stream, id := identifier(b.stream), identifier(topic)
	who := iggcon.NewSingleConsumer(identifier("bench"))
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
