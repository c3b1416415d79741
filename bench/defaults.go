package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// place is where and how much is read by the measurements of default settings.
type place struct {
	suffix     string
	partitions int
	messages   int
	oneWay     time.Duration // to the server
	goals      []goal        // of Handle, of Messages and of Handle with the settings for throughput
}

// measureDefaults compares consumers with the default settings to the best loop with the SDK that
// gives the same guarantee: it polls 1,000 messages, handles each and commits each batch.
func measureDefaults(ctx context.Context, b *bench) error {
	near, far := []goal{atLeast(0.8), atLeast(0.5), {}}, []goal{atLeast(1), {}, atLeast(3)}
	for _, at := range []place{
		{"", 8, 400_000, 0, near},
		{"_1_partition", 1, 400_000, 0, near},
		{"_64_partitions", 64, 512_000, 0, near},
		{"_512_partitions", 512, 512_000, 0, near},
		{"_2ms", 8, 400_000, time.Millisecond, far},
		{"_20ms", 8, 160_000, 10 * time.Millisecond, far},
	} {
		if err := b.compareDefaults(ctx, at); err != nil {
			return fmt.Errorf("%d partitions, %s one way: %w", at.partitions, at.oneWay, err)
		}
	}
	return nil
}

func (b *bench) compareDefaults(ctx context.Context, at place) error {
	n := b.scale(at.messages) / (at.partitions * batchSize) * (at.partitions * batchSize)
	if n == 0 {
		n = at.partitions * 100
	}
	source, remove, err := b.newFilledTopicWith(ctx, at.partitions, n, "handle", "iterate", "tuned")
	if err != nil {
		return err
	}
	defer remove()
	cluster, address := b.cluster(), b.target.address
	if at.oneWay > 0 {
		proxy, err := newProxy(address, relayDelayed(at.oneWay))
		if err != nil {
			return err
		}
		defer proxy.close()
		address = proxy.address()
		cluster.Endpoint = "iggy://" + address
	}
	client, err := b.sdkAt(address)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	contenders := []contender{withSameTopic("sdk", 0, func(n int) error { return b.pollAndCommitSDK(client, source, at.partitions, n) })}
	for _, name := range []string{"handle", "iterate", "tuned"} {
		cfg := config.DefaultConsumer(name)
		if name == "tuned" {
			cfg = throughputConfig(name)
		}
		reader, err := b.replay(ctx, cluster, source, cfg, at.partitions, name == "iterate")
		if err != nil {
			return err
		}
		defer func() { _ = reader.Stop(ctx) }()
		contenders = append(contenders, contender{name: name, prepare: func() (func(int) error, func(), error) {
			return reader.read(ctx), func() {}, reader.restart(ctx)
		}})
	}
	rounds := 5
	if at.oneWay > 0 {
		rounds = 3
	}
	samples, err := compare(ctx, b.rounds(rounds), n, contenders...)
	if err != nil {
		return err
	}
	sdk, t := samples["sdk"], &b.table
	where := fmt.Sprintf("%d partitions", at.partitions)
	if at.oneWay > 0 {
		where += fmt.Sprintf(", %s round trip", 2*at.oneWay)
	}
	t.add("poll_default_vs_sdk"+at.suffix, ratio(samples["handle"], sdk, rateOf), "messages/s, Handle with default settings to the SDK's committing loop, "+where, at.goals[0])
	t.add("iterate_default_vs_sdk"+at.suffix, ratio(samples["iterate"], sdk, rateOf), "messages/s, Messages with default settings to the SDK's committing loop, "+where, at.goals[1])
	t.add("poll_tuned_vs_sdk"+at.suffix, ratio(samples["tuned"], sdk, rateOf), "messages/s, Handle with the settings for throughput to the SDK's committing loop, "+where, at.goals[2])
	cpu := atMost(2)
	if at.oneWay > 0 {
		cpu = goal{} // the faster one has fewer, larger polls
	}
	t.add("poll_default_cpu_vs_tuned"+at.suffix, ratio(samples["handle"], samples["tuned"], cpuOf), "client CPU per message, default settings to those for throughput, "+where, cpu)
	for _, name := range []string{"handle", "iterate", "tuned", "sdk"} {
		t.add(name+"_per_s"+at.suffix, medianOf(samples[name], rateOf), "messages/s, "+where, goal{})
		t.add(name+"_cpu_ns"+at.suffix, medianOf(samples[name], cpuOf), "client CPU per message in ns, "+where, goal{})
	}
	return nil
}

// replayReader is a consumer that reads a topic again and again.
type replayReader struct {
	*countingReader
	partitions int
}

// replay starts a consumer of a topic, and waits until it has all partitions and has read them.
func (b *bench) replay(ctx context.Context, cluster config.Iggy, source string, cfg config.Consumer, partitions int, iterate bool) (*replayReader, error) {
	c, err := consumer.New(cluster, cfg, topic.New(b.stream, source, topic.Codec[[]byte](rawCodec{})), consumer.WithName(cfg.Group))
	if err != nil {
		return nil, err
	}
	r := &replayReader{&countingReader{Consumer: c, done: make(chan struct{}, 1)}, partitions}
	count := func() {
		if r.remaining.Add(-1) == 0 {
			r.done <- struct{}{}
		}
	}
	if !iterate {
		if err := c.Handle(func(context.Context, *consumer.Message[[]byte]) error { count(); return nil }); err != nil {
			return nil, err
		}
	}
	if err := c.Start(ctx); err != nil {
		return nil, err
	}
	if iterate {
		go func() {
			for m, err := range c.Messages(ctx) {
				if err != nil {
					return
				}
				m.Ack()
				count()
			}
		}()
	}
	return r, waitUntil(ctx, func() bool { return len(c.Status().Partitions) == partitions })
}

// restart moves all partitions to their first message, and pauses them.
func (r *replayReader) restart(ctx context.Context) error {
	if err := waitUntil(ctx, func() bool { s := r.Status(); return s.InFlight == 0 && s.Lag == 0 }); err != nil {
		return err
	}
	for p := range uint32(r.partitions) {
		r.Pause(p)
	}
	failures := make(chan error, r.partitions)
	for p := range uint32(r.partitions) {
		go func() { failures <- r.Seek(ctx, p, consumer.First()) }()
	}
	var errs []error
	for range r.partitions {
		errs = append(errs, <-failures)
	}
	return errors.Join(errs...)
}

// read reads the n messages of the topic.
func (r *replayReader) read(ctx context.Context) func(n int) error {
	return func(n int) error {
		r.remaining.Store(int64(n))
		for p := range uint32(r.partitions) {
			r.Resume(p)
		}
		select {
		case <-r.done:
			return nil
		case <-time.After(time.Minute):
			return fmt.Errorf("%d of %d messages missing after a minute", r.remaining.Load(), n)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pollAndCommitSDK reads n messages with the SDK: it polls, handles each message and commits each
// batch.
func (b *bench) pollAndCommitSDK(client *tcp.IggyTcpClient, topic string, partitions, n int) error {
	stream, id := identifier(b.stream), identifier(topic)
	who := iggcon.NewSingleConsumer(identifier("bench"))
	got, size := 0, min(batchSize, n/partitions)
	for at := 0; got < n; at += size {
		for p := range uint32(partitions) {
			polled, err := client.PollMessages(stream, id, who, iggcon.OffsetPollingStrategy(uint64(at)), uint32(size), false, &p)
			if err != nil {
				return err
			}
			if len(polled.Messages) == 0 {
				return errors.New("the SDK found no messages")
			}
			for i := range polled.Messages {
				handled(&polled.Messages[i])
			}
			got += len(polled.Messages)
			if err := client.StoreConsumerOffset(who, stream, id, polled.Messages[len(polled.Messages)-1].Header.Offset, &p); err != nil {
				return err
			}
		}
	}
	return nil
}

// handled is the handler of the SDK's loop.
//
//go:noinline
func handled(*iggcon.IggyMessage) {}
