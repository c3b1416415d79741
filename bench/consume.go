package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// delivery is how a consumer gives the messages to the application.
type delivery int

const (
	byHandle delivery = iota
	byHandleBatch
	byMessages // Messages, with Ack
)

// consuming is a row of consumers that read a topic again and again, each in a group of its own.
type consuming struct {
	group, table, name string
	workload
	cfg       config.Consumer
	delivery  delivery
	consumers int
}

// defaultConsuming is a row of a consumer with its default settings.
func defaultConsuming(group, name string, w workload) consuming {
	return consuming{group: group, table: tableConsume, name: name, workload: w, cfg: config.DefaultConsumer("g"), consumers: 1}
}

// throughputConfig is the configuration of a consumer for many small messages.
func throughputConfig(group string) config.Consumer {
	cfg := config.DefaultConsumer(group)
	cfg.BatchSize = 1000
	cfg.MaxInFlight = 16_000
	cfg.Concurrency = runtime.NumCPU() // the handler never blocks
	cfg.CommitEvery = 100_000
	return cfg
}

func (s consuming) row() row {
	return row{group: s.group, table: s.table, name: s.name, settings: differences(s.cfg, config.DefaultConsumer("g")), measure: s.measure}
}

func (s consuming) measure(ctx context.Context, b *bench) (cells, error) {
	f := rawForm
	if s.compression != config.CompressionNone {
		f = bytesForm
	}
	at, err := b.place(ctx, s.workload, f)
	if err != nil {
		return nil, err
	}
	defer at.close()
	// No more than 400 MB; less for each of many consumers, and where a consumer is slow.
	n := min(b.messages, b.messages*1024/s.payload) / min(s.consumers, 8)
	if s.roundTrip > 10*time.Millisecond && s.cfg == config.DefaultConsumer(s.cfg.Group) {
		n /= 5
	}
	groups := make([]string, s.consumers)
	for i := range groups {
		groups[i] = fmt.Sprintf("g%d", i)
	}
	source, n, err := at.newFilledTopic(n, groups...)
	if err != nil {
		return nil, err
	}
	library, err := at.reading(ctx, source, n, groups, s)
	if err != nil {
		return nil, err
	}
	sdk, err := at.polling(source, n, s.consumers, s.cfg.CommitEvery)
	if err != nil {
		return nil, err
	}
	contenders := []contender{library, sdk}
	if s.consumers == 1 {
		inFlight := 1
		if s.roundTrip > 0 {
			inFlight = framesInFlight
		}
		contenders = append(contenders, prepared(contenderFrames, at.frames.poll(b.stream, source, at.partitions, n, inFlight)))
	}
	// The first reading of the consumers was their warm-up.
	l := b.lengths
	l.warmUp = 0
	samples, err := l.compare(ctx, contenders...)
	if err != nil {
		return nil, err
	}
	c := cells{}
	c.addLoad(samples, at.heap)
	return c, at.addCodec(c, true)
}

// rawCodec decodes a payload without copying it: the handlers do not keep it.
type rawCodec struct{}

func (rawCodec) Append(dst []byte, v []byte) ([]byte, error)            { return append(dst, v...), nil }
func (rawCodec) Decode(payload []byte, _ topic.Headers) ([]byte, error) { return payload, nil }
func (rawCodec) ContentType() string                                    { return "application/octet-stream" }
func (rawCodec) MessageType() string                                    { return "" }

// reading makes the contender of consumers that read all n messages of a topic in each round. They
// stop with the place.
func (at *place) reading(ctx context.Context, source string, n int, groups []string, s consuming) (contender, error) {
	sources := slices.Repeat([]string{source}, len(groups))
	readers, err := at.readers(ctx, sources, groups, s.cfg, s.delivery)
	if err != nil {
		return contender{}, err
	}
	all := func(do func(r *reader) error) error {
		return each(len(readers), len(readers), func(i int) error { return do(readers[i]) })
	}
	return contender{name: contenderLibrary, prepare: func() (work, func(), error) {
		return func(time.Duration) (done, error) {
			return done{messages: n * len(readers)}, all(func(r *reader) error { return r.read(ctx, n) })
		}, func() {}, all(func(r *reader) error { return r.restart(ctx) })
	}}, nil
}

// logins is the number of connections that log in at a time. A login takes the server so long that
// many of them at a time would exceed the dial timeout.
const logins = 4

// readers starts a consumer for each topic and group. They stop with the place.
func (at *place) readers(ctx context.Context, sources, groups []string, cfg config.Consumer, d delivery) ([]*reader, error) {
	readers := make([]*reader, len(groups))
	err := each(len(groups), logins, func(i int) error {
		own := cfg
		own.Group = groups[i]
		r, err := at.reader(ctx, sources[i], own, d)
		readers[i] = r
		return err
	})
	for _, r := range readers {
		if r != nil {
			at.closers = append(at.closers, func() { _ = r.Stop(ctx) })
		}
	}
	return readers, err
}

// reader is a consumer that counts messages, and reads a topic again and again.
type reader struct {
	*consumer.Consumer[[]byte]
	partitions int
	remaining  atomic.Int64
	done       chan struct{}
}

// reader starts a consumer, and waits until it has all partitions.
func (at *place) reader(ctx context.Context, source string, cfg config.Consumer, d delivery) (*reader, error) {
	r, err := at.startReader(ctx, source, cfg, d, 0)
	if err != nil {
		return nil, err
	}
	return r, waitUntil(ctx, "assignment", func() bool { return len(r.Status().Partitions) == at.partitions })
}

// startReader starts a consumer that waits for n messages.
func (at *place) startReader(ctx context.Context, source string, cfg config.Consumer, d delivery, n int) (*reader, error) {
	c, err := consumer.New(at.cluster(at.address), cfg, topic.New(at.stream, source, topic.Codec[[]byte](rawCodec{})), consumer.WithName(cfg.Group))
	if err != nil {
		return nil, err
	}
	r := &reader{Consumer: c, partitions: at.partitions, done: make(chan struct{}, 1)}
	r.remaining.Store(int64(n))
	switch d {
	case byHandle:
		err = c.Handle(func(context.Context, *consumer.Message[[]byte]) error { r.count(1); return nil })
	case byHandleBatch:
		err = c.HandleBatch(func(_ context.Context, batch []*consumer.Message[[]byte]) error { r.count(len(batch)); return nil })
	}
	if err != nil {
		return nil, err
	}
	if err := c.Start(ctx); err != nil {
		return nil, err
	}
	if d == byMessages {
		go func() {
			for m, err := range c.Messages(ctx) {
				if err != nil {
					return
				}
				m.Ack()
				r.count(1)
			}
		}()
	}
	return r, nil
}

func (r *reader) count(n int) {
	if r.remaining.Add(int64(-n)) == 0 {
		r.done <- struct{}{}
	}
}

// restart moves all partitions to their first message, and pauses them.
func (r *reader) restart(ctx context.Context) error {
	if err := waitUntil(ctx, "end of the topic", func() bool { s := r.Status(); return s.InFlight == 0 && s.Lag == 0 }); err != nil {
		return err
	}
	for p := range uint32(r.partitions) {
		r.Pause(p)
	}
	return each(r.partitions, r.partitions, func(p int) error { return r.Seek(ctx, uint32(p), consumer.First()) })
}

// read reads the n messages of the topic.
func (r *reader) read(ctx context.Context, n int) error {
	r.remaining.Store(int64(n))
	for p := range uint32(r.partitions) {
		r.Resume(p)
	}
	return r.wait(ctx, n)
}

// wait waits until the remaining messages have come.
func (r *reader) wait(ctx context.Context, n int) error {
	select {
	case <-r.done:
		return nil
	case <-time.After(time.Minute):
		return fmt.Errorf("%d of %d messages missing after a minute", r.remaining.Load(), n)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// polling makes the contender of loops with the SDK that poll a batch of messages, handle each and
// commit each partition after commitEvery messages, from the first message to the last, and again.
// Each loop has a connection.
func (at *place) polling(source string, n, loops, commitEvery int) (contender, error) {
	clients := make([]*tcp.IggyTcpClient, loops)
	clients[0] = at.client
	err := each(loops-1, logins, func(i int) (err error) {
		clients[i+1], err = at.sdk(at.address)
		return err
	})
	for _, client := range clients[1:] {
		if client != nil {
			at.closers = append(at.closers, func() { _ = client.Close() })
		}
	}
	if err != nil {
		return contender{}, err
	}
	handle, err := at.sdkHandler()
	if err != nil {
		return contender{}, err
	}
	return prepared(contenderSDK, func(length time.Duration) (done, error) {
		var total atomic.Int64
		err := each(loops, loops, func(i int) error {
			l := sdkLoop{
				client: clients[i], stream: at.stream, topic: source, name: fmt.Sprintf("bench-%d", i),
				partitions: at.partitions, batch: at.batch(), commitEvery: commitEvery, handle: handle,
			}
			count, err := l.read(n, length)
			total.Add(int64(count))
			return err
		})
		return done{messages: int(total.Load())}, err
	}), nil
}

// sdkHandler is the handler of the SDK's loop. It decompresses the payload, if necessary.
func (at *place) sdkHandler() (func(*iggcon.IggyMessage) error, error) {
	if at.compression == config.CompressionNone {
		return handled, nil
	}
	c, err := newCodec(at.compression)
	if err != nil {
		return nil, err
	}
	return func(m *iggcon.IggyMessage) error {
		_, err := c.decode(nil, m.Payload) // the result has memory of its own, as that of the library
		return err
	}, nil
}

//go:noinline
func handled(*iggcon.IggyMessage) error { return nil }

// sdkLoop reads a topic with the SDK.
type sdkLoop struct {
	client        *tcp.IggyTcpClient
	stream, topic string
	name          string // of the consumer
	partitions    int
	batch         int
	commitEvery   int // messages of a partition
	handle        func(*iggcon.IggyMessage) error
	next          []uint64 // the next offset of each partition
	uncommitted   []int    // messages of each partition
}

// read reads for length, and n messages at most before it begins again with the first one.
func (l *sdkLoop) read(n int, length time.Duration) (int, error) {
	got, more := 0, until(length)
	for {
		l.restart()
		for range max(n/l.partitions/l.batch, 1) {
			for p := range uint32(l.partitions) {
				if !more(got) {
					return got, nil
				}
				count, err := l.poll(p)
				if err != nil {
					return got, err
				}
				if count == 0 {
					return got, errors.New("no messages")
				}
				got += count
			}
		}
	}
}

// restart begins with the first message of each partition.
func (l *sdkLoop) restart() {
	l.next, l.uncommitted = make([]uint64, l.partitions), make([]int, l.partitions)
}

// poll polls a partition, handles the messages and commits them if that is due.
func (l *sdkLoop) poll(p uint32) (int, error) {
	stream, id := identifier(l.stream), identifier(l.topic)
	who := iggcon.NewSingleConsumer(identifier(l.name))
	polled, err := l.client.PollMessages(stream, id, who, iggcon.OffsetPollingStrategy(l.next[p]), uint32(l.batch), false, &p)
	if err != nil || len(polled.Messages) == 0 {
		return 0, err
	}
	for i := range polled.Messages {
		if err := l.handle(&polled.Messages[i]); err != nil {
			return 0, err
		}
	}
	last := polled.Messages[len(polled.Messages)-1].Header.Offset
	l.next[p] = last + 1
	if l.uncommitted[p] += len(polled.Messages); l.uncommitted[p] < l.commitEvery {
		return len(polled.Messages), nil
	}
	l.uncommitted[p] = 0
	return len(polled.Messages), l.client.StoreConsumerOffset(who, stream, id, last, &p)
}
