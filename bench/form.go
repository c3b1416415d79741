package main

import (
	"context"
	"time"

	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// form is how messages are given to the library.
type form int

const (
	rawForm   form = iota // SendAsync with a payload
	bytesForm             // a Publisher of payloads
	protoForm             // a Publisher of protobuf messages
)

// sendFunc sends the i-th message.
type sendFunc func(ctx context.Context, i int, done func(producer.Result))

// sender returns the function that sends to topics with p.
func (f form) sender(at *place, p *producer.Producer, topics []string) sendFunc {
	switch f {
	case bytesForm:
		return publishing(at, p, topics, topic.Codec[keyed](keyedCodec{topic.Bytes()}),
			func(v keyed) string { return v.key },
			func(i int) keyed { return keyed{at.key(i), at.content} })
	case protoForm:
		return publishing(at, p, topics, topic.Proto[*jobspb.DownloadTask](), (*jobspb.DownloadTask).GetJobId, at.newTask())
	default:
		return func(ctx context.Context, i int, done func(producer.Result)) {
			m := producer.Message{Stream: at.stream, Topic: topics[i%len(topics)], Key: at.key(i), Payload: at.content}
			p.SendAsync(ctx, m, done)
		}
	}
}

// publishing sends with a publisher for each topic. value returns the i-th message.
func publishing[T any](at *place, p *producer.Producer, topics []string, codec topic.Codec[T], key func(T) string, value func(i int) T) sendFunc {
	var publishers []*producer.Publisher[T]
	for _, name := range topics {
		publishers = append(publishers, producer.For(p, topic.New(at.stream, name, codec, topic.Key(key), topic.Compress[T](at.compression, config.DefaultTopic(at.stream, name).CompressionMinSize))))
	}
	return func(ctx context.Context, i int, done func(producer.Result)) {
		publishers[i%len(publishers)].PublishAsync(ctx, value(i), done)
	}
}

// keyed is a payload with its key.
type keyed struct {
	key     string
	payload []byte
}

// keyedCodec encodes the payload only.
type keyedCodec struct{ topic.Codec[[]byte] }

func (c keyedCodec) Append(dst []byte, v keyed) ([]byte, error) {
	return c.Codec.Append(dst, v.payload)
}

func (c keyedCodec) Decode(payload []byte, headers topic.Headers) (keyed, error) {
	content, err := c.Codec.Decode(payload, headers)
	return keyed{payload: content}, err
}

// newTask returns a function that changes the same task for each message.
func (at *place) newTask() func(int) *jobspb.DownloadTask {
	task := &jobspb.DownloadTask{
		JobType: "bench", ResourceId: "resource-1", Url: "https://example.com/some/where/in/the/tree/file.bin",
		Headers:     []*jobspb.HttpHeader{{Name: "accept", Value: "*/*"}, {Name: "user-agent", Value: "fetchbox"}},
		ManifestKey: "manifests/bench/1.json", Tenant: "bench", TraceId: "0123456789abcdef0123456789abcdef",
	}
	return func(i int) *jobspb.DownloadTask {
		task.JobId = at.key(i)
		return task
	}
}

// headers are the headers that the library adds to the messages.
func (f form) headers(c config.Compression) []topic.Header {
	var headers []topic.Header
	switch f {
	case bytesForm:
		headers = []topic.Header{{Key: topic.HeaderContentType, Value: topic.Bytes().ContentType()}}
	case protoForm:
		codec := topic.Proto[*jobspb.DownloadTask]()
		headers = []topic.Header{{Key: topic.HeaderContentType, Value: codec.ContentType()}, {Key: topic.HeaderMessageType, Value: codec.MessageType()}}
	default:
		return nil
	}
	if c != config.CompressionNone {
		headers = append(headers, topic.Header{Key: topic.HeaderContentEncoding, Value: string(c)})
	}
	return headers
}

// encoder returns the function with which an application of the SDK encodes the i-th payload. Each
// result has memory of its own, as the SDK keeps it until the request.
func (f form) encoder(at *place) (func(i int) ([]byte, error), error) {
	if f == protoForm {
		task := at.newTask()
		return func(i int) ([]byte, error) { return proto.Marshal(task(i)) }, nil
	}
	if at.compression == config.CompressionNone {
		return func(int) ([]byte, error) { return at.content, nil }, nil
	}
	c, err := newCodec(at.compression)
	if err != nil {
		return nil, err
	}
	return func(int) ([]byte, error) { return c.encode(nil, at.content), nil }, nil
}

// stored returns a payload and encoded headers as the server stores them.
func (f form) stored(at *place) (payload, headers []byte, err error) {
	encode, err := f.encoder(at)
	if err != nil {
		return nil, nil, err
	}
	payload, err = encode(0)
	for _, h := range f.headers(at.compression) {
		headers = wire.AppendHeader(headers, h.Key, h.Value)
	}
	return payload, headers, err
}

// sdkHeaders are the headers for the SDK.
func (f form) sdkHeaders(c config.Compression) ([]iggcon.IggyMessageOpt, error) {
	var entries []iggcon.HeaderEntry
	for _, h := range f.headers(c) {
		key, err := iggcon.NewHeaderKeyString(h.Key)
		if err != nil {
			return nil, err
		}
		entries = append(entries, iggcon.HeaderEntry{Key: key, Value: iggcon.HeaderValue{Kind: key.Kind, Value: []byte(h.Value)}})
	}
	if len(entries) == 0 {
		return nil, nil
	}
	return []iggcon.IggyMessageOpt{iggcon.WithUserHeaders(entries)}, nil
}

// probes take the time from a send to its outcome, of some messages. They allocate nothing while
// they are used.
type probes struct {
	all  []probe
	used int
}

type probe struct {
	sent time.Time
	took time.Duration
	done func(producer.Result)
}

// newProbes makes n probes, which call done.
func newProbes(n int, done func(producer.Result)) *probes {
	p := &probes{all: make([]probe, n)}
	for i := range p.all {
		one := &p.all[i]
		one.done = func(r producer.Result) {
			one.took = time.Since(one.sent)
			done(r)
		}
	}
	return p
}

// next returns the function for the outcome of the next message, or otherwise when all probes are in use.
func (p *probes) next(now time.Time, otherwise func(producer.Result)) func(producer.Result) {
	if p.used == len(p.all) {
		return otherwise
	}
	one := &p.all[p.used]
	p.used++
	one.sent = now
	return one.done
}

// take returns the times since the last call. All outcomes must have come.
func (p *probes) take() []time.Duration {
	times := make([]time.Duration, p.used)
	for i := range times {
		times[i] = p.all[i].took
	}
	p.used = 0
	return times
}
