package main

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/producer"
)

// measureSending compares asynchronous sends of 512-byte messages, whose keys
// spread over 8 partitions, on one connection.
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

	rawFrames := func(window int) func(string) (func(int) error, func(), error) {
		return func(topic string) (func(int) error, func(), error) {
			f, err := b.frames(ctx, topic)
			if err != nil {
				return nil, nil, err
			}
			return func(n int) error { return f.send(n, window) }, func() { _ = f.conn.Close() }, nil
		}
	}
	n := b.amount(400_000)
	samples, err := compete(ctx, b.rounds(9), n,
		b.onNewTopic("library", always(func(topic string, n int) error { return b.sendAsync(ctx, p, topic, n) })),
		b.onNewTopic("sdk", always(func(topic string, n int) error { return b.sendBatched(client, topic, n) })),
		b.onNewTopic("frames", rawFrames(1)),
		b.onNewTopic("frames8", rawFrames(partitions)),
	)
	if err != nil {
		return err
	}
	naive, err := compete(ctx, b.rounds(3), n/50, b.onNewTopic("naive", always(func(topic string, n int) error { return b.sendNaively(client, topic, n) })))
	if err != nil {
		return err
	}
	ours, sdk := samples["library"], samples["sdk"]
	t := &b.table
	t.add("send_vs_sdk", ratio(ours, sdk, rateOf), "messages/s, this library to the SDK hand-batched at 1,000", atLeast(1.5))
	t.add("send_vs_frames", ratio(ours, samples["frames"], rateOf), "messages/s, this library to ready frames of 1,000, one request at a time", atLeast(0.75))
	t.add("send_vs_frames_8_in_flight", ratio(ours, samples["frames8"], rateOf), "the same to ready frames with 8 requests in flight", goal{})
	t.add("send_cpu_vs_sdk", ratio(ours, sdk, cpuOf), "client CPU per message, this library to the SDK", atMost(0.5))
	t.add("send_per_s", middle(ours, rateOf), "messages/s, this library", goal{})
	t.add("send_sdk_batched_per_s", middle(sdk, rateOf), "messages/s, the SDK hand-batched", goal{})
	t.add("send_sdk_naive_per_s", middle(naive["naive"], rateOf), "messages/s, the SDK with one message a call", goal{})
	t.add("send_frames_per_s", middle(samples["frames"], rateOf), "messages/s, ready frames, one request at a time", goal{})
	t.add("send_frames_8_in_flight_per_s", middle(samples["frames8"], rateOf), "messages/s, ready frames, 8 requests in flight", goal{})
	t.add("send_cpu_ns", middle(ours, cpuOf), "client CPU per message in ns, this library", goal{})
	t.add("send_sdk_cpu_ns", middle(sdk, cpuOf), "client CPU per message in ns, the SDK", goal{})
	t.add("send_frames_cpu_ns", middle(samples["frames8"], cpuOf), "client CPU per message in ns, ready frames, 8 in flight", goal{})
	return nil
}

// onNewTopic makes a contender that has a new topic in each round.
func (b *bench) onNewTopic(name string, prepare func(topic string) (func(int) error, func(), error)) contender {
	return contender{name: name, warm: 0.5, prepare: func() (func(int) error, func(), error) {
		topic, remove, err := b.newTopic()
		if err != nil {
			return nil, nil, err
		}
		run, end, err := prepare(topic)
		if err != nil {
			remove()
			return nil, nil, err
		}
		return run, func() { end(); remove() }, nil
	}}
}

// always is for contenders that need nothing but the topic.
func always(run func(topic string, n int) error) func(string) (func(int) error, func(), error) {
	return func(topic string) (func(int) error, func(), error) {
		return func(n int) error { return run(topic, n) }, func() {}, nil
	}
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

// sendBatched is what a careful user of the SDK writes: one slice of messages for each
// partition, sent when it is full.
func (b *bench) sendBatched(client *tcp.IggyTcpClient, topic string, n int) error {
	stream, id := name(b.stream), name(topic)
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

// sendNaively is what the SDK's examples show: one message a call, by key.
func (b *bench) sendNaively(client *tcp.IggyTcpClient, topic string, n int) error {
	stream, id := name(b.stream), name(topic)
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
