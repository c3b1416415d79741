package main

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// measureWaking measures the time from a publish to the handler, of an idle and of a busy consumer
// with the default intervals, and the CPU time of an idle one.
func measureWaking(ctx context.Context, b *bench) error {
	source, remove, err := b.newFilledTopic(ctx, 0)
	if err != nil {
		return err
	}
	defer remove()
	c, err := consumer.New(b.cluster(), config.DefaultConsumer("g"), topic.New(b.stream, source, topic.Codec[[]byte](rawCodec{})))
	if err != nil {
		return err
	}
	arrived := make(chan time.Duration, 1)
	if err := c.Handle(func(_ context.Context, m *consumer.Message[[]byte]) error {
		sent := time.Unix(0, int64(binary.LittleEndian.Uint64(m.Value)))
		arrived <- time.Since(sent)
		return nil
	}); err != nil {
		return err
	}
	if err := c.Start(ctx); err != nil {
		return err
	}
	defer func() { _ = c.Stop(ctx) }()
	if err := waitUntil(ctx, func() bool { return len(c.Status().Partitions) == partitions }); err != nil {
		return err
	}

	// The poll interval reaches its maximum within a second.
	time.Sleep(2 * time.Second)
	span := time.Duration(b.scale(20)) * time.Second
	used := cpuTime()
	time.Sleep(span)
	idle := float64(cpuTime()-used) / float64(span) * 100

	p, err := b.producer(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = p.Stop(ctx) }()
	measure := func(count int, pause func() time.Duration) ([]time.Duration, error) {
		var all []time.Duration
		for i := range count {
			time.Sleep(pause())
			payload := make([]byte, payloadSize)
			binary.LittleEndian.PutUint64(payload, uint64(time.Now().UnixNano()))
			message := producer.Message{Stream: b.stream, Topic: source, Payload: payload, Partition: producer.OnPartition(uint32(i % partitions))}
			if _, err := p.Send(ctx, message); err != nil {
				return nil, err
			}
			select {
			case d := <-arrived:
				all = append(all, d)
			case <-time.After(10 * time.Second):
				return nil, errors.New("a message did not arrive")
			}
		}
		return all, nil
	}
	idleTimes, err := measure(b.scale(200), func() time.Duration { return 150*time.Millisecond + rand.N(100*time.Millisecond) })
	if err != nil {
		return err
	}
	busyTimes, err := measure(b.scale(2000), func() time.Duration { return rand.N(2 * time.Millisecond) })
	if err != nil {
		return err
	}
	t := &b.table
	t.add("wake_idle_p50_ms", millis(percentile(idleTimes, 0.5)), "publish to handler in ms, idle consumer, median", atMost(30))
	t.add("wake_idle_p99_ms", millis(percentile(idleTimes, 0.99)), "the same, 99th percentile", atMost(60))
	t.add("wake_busy_p50_ms", millis(percentile(busyTimes, 0.5)), "publish to handler in ms, busy consumer, median", atMost(2))
	t.add("wake_busy_p99_ms", millis(percentile(busyTimes, 0.99)), "the same, 99th percentile", goal{})
	t.add("idle_cpu_percent", idle, "CPU of one idle consumer of 8 partitions, in percent of a core", atMost(1))
	return nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
