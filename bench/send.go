package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// sending is a row of a producer. The messages are spread over the partitions by key.
type sending struct {
	group, table, name string
	workload
	cfg  config.Producer
	form form
	// oneInFlight adds prepared frames with one request at a time.
	oneInFlight bool
}

// defaultSending is a row of a producer with its default settings.
func defaultSending(group, name string, w workload) sending {
	return sending{group: group, table: tableSend, name: name, workload: w, cfg: config.Default().Producer}
}

func (s sending) row() row {
	return row{group: s.group, table: s.table, name: s.name, settings: differences(s.cfg, config.Default().Producer), measure: s.measure}
}

func (s sending) measure(ctx context.Context, b *bench) (cells, error) {
	at, err := b.place(ctx, s.workload, s.form)
	if err != nil {
		return nil, err
	}
	defer at.close()
	library, err := at.asynchronous(ctx, contenderLibrary, s.cfg, s.form)
	if err != nil {
		return nil, err
	}
	sdk, err := at.batching(s.form)
	if err != nil {
		return nil, err
	}
	contenders := []contender{library, sdk, at.preparedFrames(contenderFrames, framesInFlight)}
	if s.oneInFlight {
		contenders = append(contenders, at.preparedFrames(contenderOneFrame, 1))
	}
	if s.form != rawForm && s.compression == config.CompressionNone {
		raw, err := at.asynchronous(ctx, contenderRaw, s.cfg, rawForm)
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, raw)
	}
	if s.cfg != config.Default().Producer {
		defaults, err := at.asynchronous(ctx, contenderDefaults, config.Default().Producer, s.form)
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, defaults)
	}
	samples, err := b.compare(ctx, contenders...)
	if err != nil {
		return nil, err
	}
	c := cells{}
	c.addLoad(samples, at.heap)
	return c, at.addCodec(c, false)
}

// addCodec adds the cost of the codec, when the messages are compressed.
func (at *place) addCodec(c cells, decompress bool) error {
	if at.compression == config.CompressionNone {
		return nil
	}
	cost, err := at.cpuOfCodec(decompress)
	if err == nil {
		c[codecCPU], c[vsCodec] = cost, c[cpu]/cost
	}
	return err
}

// producer starts a producer, which stops with the place.
func (at *place) producer(ctx context.Context, cfg config.Producer) (*producer.Producer, error) {
	p, err := producer.New(at.cluster(at.address), cfg)
	if err != nil {
		return nil, err
	}
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	at.closers = append(at.closers, func() { _ = p.Stop(ctx) })
	return p, nil
}

// manyPartitions is the number of partitions whose creation takes too long for each round.
const manyPartitions = 64

// onNewTopics makes a contender that gets new topics in each round, so that the topics stay small. If
// they have many partitions, it keeps them.
func (at *place) onNewTopics(name string, prepare func(topics []string) (work, error)) contender {
	create := at.newTopics
	if at.topics*at.partitions > manyPartitions {
		once := sync.OnceValues(func() ([]string, error) {
			topics, remove, err := at.newTopics()
			if err == nil {
				at.closers = append(at.closers, remove)
			}
			return topics, err
		})
		create = func() ([]string, func(), error) {
			topics, err := once()
			return topics, func() {}, err
		}
	}
	return contender{name: name, prepare: func() (work, func(), error) {
		topics, remove, err := create()
		if err != nil {
			return nil, nil, err
		}
		run, err := prepare(topics)
		if err != nil {
			remove()
			return nil, nil, err
		}
		return run, remove, nil
	}}
}

// asynchronous sends asynchronously with the library, from one goroutine.
func (at *place) asynchronous(ctx context.Context, name string, cfg config.Producer, f form) (contender, error) {
	p, err := at.producer(ctx, cfg)
	if err != nil {
		return contender{}, err
	}
	var lost atomic.Int64
	outcome := func(r producer.Result) {
		if r.Outcome != producer.Confirmed {
			lost.Add(1)
		}
	}
	times := newProbes(20_000, outcome)
	// The time is taken, and the clock read, once in so many messages.
	every := max(256*base.payload/max(at.payload, base.payload), 1)
	return at.onNewTopics(name, func(topics []string) (work, error) {
		send := f.sender(at, p, topics)
		return func(length time.Duration) (done, error) {
			n, end := 0, time.Now().Add(length)
			for ; ; n++ {
				outcome := outcome
				if n%every == 0 {
					now := time.Now()
					if n > 0 && now.After(end) {
						break
					}
					outcome = times.next(now, outcome)
				}
				send(ctx, n, outcome)
			}
			err := p.Flush(ctx)
			if err == nil && lost.Load() > 0 {
				err = fmt.Errorf("%d messages were not confirmed, last error %w", lost.Load(), p.Status().LastError)
			}
			return done{n, times.take()}, err
		}, nil
	}), nil
}

// batching sends with the SDK: one slice of messages for each partition, which is sent when it is
// full. The loop waits for the answer.
func (at *place) batching(f form) (contender, error) {
	encode, err := f.encoder(at)
	if err != nil {
		return contender{}, err
	}
	headers, err := f.sdkHeaders(at.compression)
	if err != nil {
		return contender{}, err
	}
	stream, size := identifier(at.stream), at.batch()
	return at.onNewTopics(contenderSDK, func(topics []string) (work, error) {
		ids := make([]iggcon.Identifier, len(topics))
		for i, name := range topics {
			ids[i] = identifier(name)
		}
		open := make([][]iggcon.IggyMessage, len(topics)*at.partitions)
		return func(length time.Duration) (done, error) {
			more := until(length)
			n := 0
			for ; n%64 != 0 && size >= 64 || more(n); n++ {
				to := at.destination(n)
				payload, err := encode(n)
				if err != nil {
					return done{}, err
				}
				message, err := iggcon.NewIggyMessage(payload, headers...)
				if err != nil {
					return done{}, err
				}
				batch := &open[to.topic*at.partitions+int(to.partition)]
				if *batch = append(*batch, message); len(*batch) == size {
					if err := at.client.SendMessages(stream, ids[to.topic], iggcon.PartitionId(to.partition), *batch); err != nil {
						return done{}, err
					}
					*batch = (*batch)[:0]
				}
			}
			for i, rest := range open {
				if len(rest) == 0 {
					continue
				}
				if err := at.client.SendMessages(stream, ids[i/at.partitions], iggcon.PartitionId(uint32(i%at.partitions)), rest); err != nil {
					return done{}, err
				}
				open[i] = rest[:0]
			}
			return done{messages: n}, nil
		}, nil
	}), nil
}

// preparedFrames sends the prepared frames.
func (at *place) preparedFrames(name string, inFlight int) contender {
	return at.onNewTopics(name, func(topics []string) (work, error) {
		return at.frames.send(at.stream, topics, at.partitions, inFlight), nil
	})
}

// waiting is a row of callers that wait for the outcome of each message.
type waiting struct {
	group, name string
	callers     int
}

func (w waiting) row() row {
	return row{group: w.group, table: tableSend, name: w.name, settings: "defaults", measure: w.measure}
}

func (w waiting) measure(ctx context.Context, b *bench) (cells, error) {
	at, err := b.place(ctx, base, rawForm)
	if err != nil {
		return nil, err
	}
	defer at.close()
	p, err := at.producer(ctx, config.Default().Producer)
	if err != nil {
		return nil, err
	}
	topic, _, err := at.newFilledTopic(0)
	if err != nil {
		return nil, err
	}
	single, err := dialFrames(ctx, at.address, at.target, 1, at.content, nil)
	if err != nil {
		return nil, err
	}
	defer single.close()
	stream, id := identifier(b.stream), identifier(topic)
	samples, err := b.compare(ctx,
		prepared(contenderLibrary, calling(w.callers, func(i int) error {
			_, err := p.Send(ctx, producer.Message{Stream: b.stream, Topic: topic, Key: at.key(i), Payload: at.content})
			return err
		})),
		prepared(contenderSDK, calling(w.callers, func(i int) error {
			message, err := iggcon.NewIggyMessage(at.content)
			if err != nil {
				return err
			}
			return at.client.SendMessages(stream, id, iggcon.PartitionId(at.destination(i).partition), []iggcon.IggyMessage{message})
		})),
		prepared(contenderFrames, single.send(b.stream, []string{topic}, at.partitions, w.callers)),
	)
	if err != nil {
		return nil, err
	}
	c := cells{}
	c.addLoad(samples, at.heap)
	return c, nil
}

// calling returns the work of so many goroutines that call send, each one call after the other. The
// times are those of the calls.
func calling(callers int, send func(int) error) work {
	return func(length time.Duration) (done, error) {
		more := until(length)
		errs, times := make([]error, callers), make([][]time.Duration, callers)
		for i := range times {
			times[i] = make([]time.Duration, 0, 1<<14)
		}
		var goroutines sync.WaitGroup
		for caller := range callers {
			goroutines.Go(func() {
				for i := caller; more(i) && errs[caller] == nil; i += callers {
					started := time.Now()
					errs[caller] = send(i)
					times[caller] = append(times[caller], time.Since(started))
				}
			})
		}
		goroutines.Wait()
		var d done
		for _, t := range times {
			d.messages += len(t)
			d.times = append(d.times, t...)
		}
		return d, errors.Join(errs...)
	}
}
