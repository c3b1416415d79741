package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/producer"
)

const waitingCallers = 64

// measureWaiting compares synchronous sends, from many goroutines and from one, on one connection.
func measureWaiting(ctx context.Context, b *bench) error {
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
	topic, remove, err := b.newTopic()
	if err != nil {
		return err
	}
	defer remove()
	stream, id := identifier(b.stream), identifier(topic)
	send := func(i int) error {
		_, err := p.Send(ctx, producer.Message{Stream: b.stream, Topic: topic, Key: b.keys[i%keyCount], Payload: b.payload})
		return err
	}
	sdkSend := func(i int) error { return b.sdkSend(client, stream, id, i) }

	n := b.scale(25_600)
	samples, err := compare(ctx, b.rounds(7), n,
		withSameTopic("library", 0.2, func(n int) error { return callConcurrently(n, send) }),
		withSameTopic("sdk", 0.2, func(n int) error { return callConcurrently(n, sdkSend) }),
	)
	if err != nil {
		return err
	}
	libraryTimes, sdkTimes, err := measureLatencies(b.scale(500), 20, send, sdkSend)
	if err != nil {
		return err
	}
	t := &b.table
	t.add("send_waiting_64_vs_sdk", ratio(samples["library"], samples["sdk"], rateOf), "messages/s of 64 waiting goroutines, this library to the SDK", atLeast(8))
	t.add("send_waiting_64_per_s", medianOf(samples["library"], rateOf), "messages/s of 64 waiting goroutines, this library", goal{})
	t.add("send_waiting_64_sdk_per_s", medianOf(samples["sdk"], rateOf), "messages/s of 64 waiting goroutines, the SDK", goal{})
	median, sdkMedian := percentile(libraryTimes, 0.5), percentile(sdkTimes, 0.5)
	t.add("send_waiting_1_vs_sdk", float64(median)/float64(sdkMedian), "median time of one waiting call, this library to the SDK", atMost(1.15))
	t.add("send_waiting_1_us", micros(median), "median time of one waiting call in µs, this library", goal{})
	t.add("send_waiting_1_sdk_us", micros(sdkMedian), "median time of one waiting call in µs, the SDK", goal{})
	t.add("send_waiting_1_p99_us", micros(percentile(libraryTimes, 0.99)), "99th percentile in µs, this library", goal{})
	t.add("send_waiting_1_sdk_p99_us", micros(percentile(sdkTimes, 0.99)), "99th percentile in µs, the SDK", goal{})
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// sdkSend sends one message to the partition of its key.
func (b *bench) sdkSend(client *tcp.IggyTcpClient, stream, topic iggcon.Identifier, i int) error {
	message, err := iggcon.NewIggyMessage(b.payload)
	if err != nil {
		return err
	}
	return client.SendMessages(stream, topic, iggcon.PartitionId(b.partitionOf(i)), []iggcon.IggyMessage{message})
}

// callConcurrently calls send n times from waitingCallers goroutines.
func callConcurrently(n int, send func(int) error) error {
	errs := make([]error, waitingCallers)
	var callers sync.WaitGroup
	for caller := range waitingCallers {
		callers.Go(func() {
			for i := caller; i < n && errs[caller] == nil; i += waitingCallers {
				errs[caller] = send(i)
			}
		})
	}
	callers.Wait()
	return errors.Join(errs...)
}

// measureLatencies measures single calls of a and b, in alternating blocks.
func measureLatencies(rounds, block int, a, b func(int) error) (as, bs []time.Duration, err error) {
	one := func(send func(int) error, to *[]time.Duration) error {
		for i := range block {
			started := time.Now()
			if err := send(i); err != nil {
				return err
			}
			*to = append(*to, time.Since(started))
		}
		return nil
	}
	for range rounds {
		if err := errors.Join(one(a, &as), one(b, &bs)); err != nil {
			return nil, nil, err
		}
	}
	return as, bs, nil
}
