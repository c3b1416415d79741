package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// schedule says when messages are published, independently of their arrival.
type schedule struct {
	pause  func() time.Duration // before each burst
	burst  int                  // messages
	bursts func(lengths) int
	// sdkPause, if set, is used in place of pause with the SDK's loop. The loop never pauses, so the
	// latency is the same and the row takes less time; its CPU time has more of the publisher's.
	sdkPause func() time.Duration
}

// The schedules of the latency rows.
var (
	idleSchedule = schedule{
		pause: func() time.Duration { return 150*time.Millisecond + rand.N(100*time.Millisecond) },
		burst: 1, bursts: func(l lengths) int { return l.idleMessages },
		sdkPause: func() time.Duration { return 20*time.Millisecond + rand.N(20*time.Millisecond) },
	}
	busySchedule   = schedule{pause: func() time.Duration { return rand.N(2 * time.Millisecond) }, burst: 1, bursts: perMillisecond}
	loadedSchedule = schedule{pause: func() time.Duration { return time.Millisecond }, burst: 20, bursts: perMillisecond}
)

func perMillisecond(l lengths) int { return int(l.busy / time.Millisecond) }

// latency is a row of the time from a publish to the handler. The publisher has its default settings.
type latency struct {
	group, name string
	schedule
}

func (s latency) row() row {
	return row{group: s.group, table: tableLatency, name: s.name, settings: "defaults", measure: s.measure}
}

func (s latency) measure(ctx context.Context, b *bench) (cells, error) {
	at, err := b.place(ctx, base, rawForm)
	if err != nil {
		return nil, err
	}
	defer at.close()
	p, err := at.producer(ctx, config.Default().Producer)
	if err != nil {
		return nil, err
	}
	library, err := s.observe(ctx, at, p, at.receiveWithConsumer)
	if err != nil {
		return nil, err
	}
	sdk := s
	if s.sdkPause != nil {
		sdk.pause = s.sdkPause
	}
	polling, err := sdk.observe(ctx, at, p, at.receiveWithLoop)
	if err != nil {
		return nil, fmt.Errorf("sdk: %w", err)
	}
	quantile := func(a arrivals, q float64) float64 { return float64(percentile(a.times, q)) }
	return cells{
		p50: quantile(library, 0.5), p99: quantile(library, 0.99), p999: quantile(library, 0.999), core: library.core,
		sdkP50: quantile(polling, 0.5), sdkP99: quantile(polling, 0.99), sdkP999: quantile(polling, 0.999), sdkCore: polling.core,
	}, nil
}

// arrivals are the times from publish to handler, and the CPU time meanwhile, in percent of a core.
type arrivals struct {
	times []time.Duration
	core  float64
}

// receiver starts to read a topic and calls arrived with each payload. stop ends it.
type receiver func(ctx context.Context, source string, arrived func(payload []byte)) (stop func() error, err error)

// observe publishes messages to a new topic and takes the time until they arrive.
func (s schedule) observe(ctx context.Context, at *place, p *producer.Producer, receive receiver) (arrivals, error) {
	source, _, err := at.newFilledTopic(0, "g")
	if err != nil {
		return arrivals{}, err
	}
	bursts := s.bursts(at.lengths)
	n := bursts * s.burst
	var mu sync.Mutex
	times, all := make([]time.Duration, 0, n), make(chan struct{})
	stop, err := receive(ctx, source, func(payload []byte) {
		took := time.Since(at.started.Add(time.Duration(binary.LittleEndian.Uint64(payload))))
		mu.Lock()
		defer mu.Unlock()
		if times = append(times, took); len(times) == n {
			close(all)
		}
	})
	if err != nil {
		return arrivals{}, err
	}
	started, used := time.Now(), cpuTime()
	payload := make([]byte, at.payload)
	for i := range bursts {
		time.Sleep(s.pause())
		for j := range s.burst {
			binary.LittleEndian.PutUint64(payload, uint64(time.Since(at.started)))
			partition := uint32((i*s.burst + j) % at.partitions)
			p.SendAsync(ctx, producer.Message{Stream: at.stream, Topic: source, Payload: payload, Partition: producer.OnPartition(partition)}, nil)
		}
	}
	select {
	case <-all:
	case <-time.After(10 * time.Second):
		err = errors.New("messages did not arrive within 10 s")
	}
	used, elapsed := cpuTime()-used, time.Since(started)
	if err := errors.Join(err, stop()); err != nil {
		return arrivals{}, err
	}
	return arrivals{times, float64(used) / float64(elapsed) * 100}, nil
}

// receiveWithConsumer reads with a consumer with default settings.
func (at *place) receiveWithConsumer(ctx context.Context, source string, arrived func([]byte)) (stop func() error, err error) {
	c, err := consumer.New(at.cluster(at.address), config.DefaultConsumer("g"), topic.New(at.stream, source, topic.Codec[[]byte](rawCodec{})))
	if err != nil {
		return nil, err
	}
	if err := c.Handle(func(_ context.Context, m *consumer.Message[[]byte]) error { arrived(m.Value); return nil }); err != nil {
		return nil, err
	}
	if err := c.Start(ctx); err != nil {
		return nil, err
	}
	stop = func() error { return c.Stop(ctx) }
	return stop, waitUntil(ctx, "assignment", func() bool { return len(c.Status().Partitions) == at.partitions })
}

// receiveWithLoop reads with a loop with the SDK that polls without a pause, and commits.
func (at *place) receiveWithLoop(ctx context.Context, source string, arrived func([]byte)) (stop func() error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		l := sdkLoop{
			client: at.client, stream: at.stream, topic: source, name: "bench", partitions: at.partitions, batch: batchSize,
			commitEvery: 1,
			handle:      func(m *iggcon.IggyMessage) error { arrived(m.Payload); return nil },
		}
		l.restart()
		var err error
		for i := 0; ctx.Err() == nil && err == nil; i++ {
			_, err = l.poll(uint32(i % at.partitions))
		}
		ended <- err
	}()
	return func() error { cancel(); return <-ended }, nil
}
