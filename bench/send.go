package main

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/producer"
)

// measureSending compares asynchronous sends of 512-byte messages to 8 partitions by key, on one
// connection.
func measureSending(ctx context.Context, b *bench) error {
	p, err := b.producer(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = p.Stop(ctx) }()
	client, err := b.sdk()
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()

	rawFrames := func(inFlight int) func(string) (func(int) error, func(), error) {
		return func(topic string) (func(int) error, func(), error) {
			f, err := b.frames(ctx, topic, partitions)
			if err != nil {
				return nil, nil, err
			}
			return func(n int) error { return f.send(n, inFlight) }, func() { _ = f.conn.Close() }, nil
		}
	}
	n := b.scale(400_000)
	samples, err := compare(ctx, b.rounds(9), n,
		b.withNewTopic("library", topicOnly(func(topic string, n int) error { return b.sendAsync(ctx, p, topic, n) })),
		b.withNewTopic("sdk", topicOnly(func(topic string, n int) error { return b.sendBatched(client, topic, n) })),
		b.withNewTopic("frames", rawFrames(1)),
		b.withNewTopic("frames8", rawFrames(partitions)),
	)
	if err != nil {
		return err
	}
	naive, err := compare(ctx, b.rounds(3), n/50, b.withNewTopic("naive", topicOnly(func(topic string, n int) error { return b.sendOneByOne(client, topic, n) })))
	if err != nil {
		return err
	}
	library, sdk := samples["library"], samples["sdk"]
	t := &b.table
	t.add("send_vs_sdk", ratio(library, sdk, rateOf), "messages/s, this library to the SDK hand-batched at 1,000", atLeast(1.5))
	t.add("send_vs_frames", ratio(library, samples["frames"], rateOf), "messages/s, this library to ready frames of 1,000, one request at a time", atLeast(0.75))
	t.add("send_vs_frames_8_in_flight", ratio(library, samples["frames8"], rateOf), "the same to ready frames with 8 requests in flight", goal{})
	t.add("send_cpu_vs_sdk", ratio(library, sdk, cpuOf), "client CPU per message, this library to the SDK", atMost(0.5))
	t.add("send_per_s", medianOf(library, rateOf), "messages/s, this library", goal{})
	t.add("send_sdk_batched_per_s", medianOf(sdk, rateOf), "messages/s, the SDK hand-batched", goal{})
	t.add("send_sdk_naive_per_s", medianOf(naive["naive"], rateOf), "messages/s, the SDK with one message a call", goal{})
	t.add("send_frames_per_s", medianOf(samples["frames"], rateOf), "messages/s, ready frames, one request at a time", goal{})
	t.add("send_frames_8_in_flight_per_s", medianOf(samples["frames8"], rateOf), "messages/s, ready frames, 8 requests in flight", goal{})
	t.add("send_cpu_ns", medianOf(library, cpuOf), "client CPU per message in ns, this library", goal{})
	t.add("send_sdk_cpu_ns", medianOf(sdk, cpuOf), "client CPU per message in ns, the SDK", goal{})
	t.add("send_frames_cpu_ns", medianOf(samples["frames8"], cpuOf), "client CPU per message in ns, ready frames, 8 in flight", goal{})
	return nil
}

// sendAsync sends n keyed messages and waits for their outcomes.
func (b *bench) sendAsync(ctx context.Context, p *producer.Producer, topic string, n int) error {
	var lost atomic.Int64
	done := func(r producer.Result) {
		if r.Outcome != producer.Confirmed {
			lost.Add(1)
		}
	}
	r := producer.Message{Stream: b.stream, Topic: topic, Payload: b.payload}
	for i := range n {
		r.Key = b.keys[i%keyCount]
		p.SendAsync(ctx, r, done)
	}
	if err := p.Flush(ctx); err != nil {
		return err
	}
	if lost.Load() > 0 {
		return errors.New("messages were not confirmed")
	}
	return nil
}

// sendBatched sends with the SDK in batches: one slice of messages for each partition, sent when
// full.
func (b *bench) sendBatched(client *tcp.IggyTcpClient, topic string, n int) error {
	stream, id := identifier(b.stream), identifier(topic)
	var open [partitions][]iggcon.IggyMessage
	for i := range n {
		at := b.partitionOf(i)
		message, err := iggcon.NewIggyMessage(b.payload)
		if err != nil {
			return err
		}
		open[at] = append(open[at], message)
		if len(open[at]) == batchSize {
			if err := client.SendMessages(stream, id, iggcon.PartitionId(at), open[at]); err != nil {
				return err
			}
			open[at] = open[at][:0]
		}
	}
	for at, rest := range open {
		if len(rest) > 0 {
			if err := client.SendMessages(stream, id, iggcon.PartitionId(uint32(at)), rest); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendOneByOne sends one message a call by key, as the SDK's examples do.
func (b *bench) sendOneByOne(client *tcp.IggyTcpClient, topic string, n int) error {
	stream, id := identifier(b.stream), identifier(topic)
	for i := range n {
		message, err := iggcon.NewIggyMessage(b.payload)
		if err != nil {
			return err
		}
		key, err := iggcon.EntityIdString(b.keys[i%keyCount])
		if err != nil {
			return err
		}
		if err := client.SendMessages(stream, id, key, []iggcon.IggyMessage{message}); err != nil {
			return err
		}
	}
	return nil
}
