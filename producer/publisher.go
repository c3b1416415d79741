package producer

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Publisher sends the messages of one topic. It encodes them with the topic's codec, takes their
// key from the topic, and describes the payload in the headers content-type and message-type. It is
// safe for concurrent use and needs no closing. Several publishers may share a Producer.
type Publisher[T any] struct {
	producer   *Producer
	state      *topicState
	encoder    encoder[T]
	compressor compressor
}

// For returns a publisher of t's messages that sends through p. The topic need not exist yet.
// Payloads are compressed as the topic says, except for messages that have a content-encoding
// header.
func For[T any](p *Producer, t topic.Topic[T]) *Publisher[T] {
	return &Publisher[T]{
		producer: p, state: p.topics.pin(t.Stream(), t.Name()), encoder: newEncoder(t), compressor: newCompressor(t.Compression()),
	}
}

// PublishOption changes one Publish, PublishAll or PublishAsync.
type PublishOption func(*publication)

// publication collects what the options of one call set.
type publication struct {
	key       string
	keyed     bool
	partition Partition
	id        [16]byte
	headers   []topic.Header
}

// reset makes p empty. It keeps the memory of the headers.
func (p *publication) reset() {
	clear(p.headers)
	*p = publication{headers: p.headers[:0]}
}

// WithKey sets the key that chooses the partition, in place of the key that the topic finds in the
// message.
//
// Unless the topic stores keys (topic.StoreKey), the key is not stored. A consumer derives its own
// key from the message then, with the topic's function, and handles the messages of that key one at
// a time and in order. So messages with the same WithKey may be handled side by side when the
// topic's function gives them different keys. To have the same key on both sides, give both of them
// the same topic.Topic, made with topic.Key.
func WithKey(key string) PublishOption {
	return func(p *publication) { p.key, p.keyed = key, true }
}

// WithPartition sets the partition, whatever the key.
func WithPartition(id uint32) PublishOption {
	return func(p *publication) { p.partition = OnPartition(id) }
}

// WithID sets the message's id, in place of a new UUIDv7. It is not for PublishAll, whose messages
// would share the id.
func WithID(id [16]byte) PublishOption {
	return func(p *publication) { p.id = id }
}

// WithHeaders adds user headers. The library sets content-type, message-type, content-encoding and
// the trace context (traceparent, tracestate) itself; a header with one of these keys, in any case
// of letters, replaces its own. With content-encoding the payload is encoded already, and is not
// compressed. To give one of these keys twice is an error.
func WithHeaders(headers ...topic.Header) PublishOption {
	return func(p *publication) { p.headers = append(p.headers, headers...) }
}

// Publish sends v, waits until it is confirmed and returns where it is stored. See Producer.Send for
// ctx and for the error, which is a *SendError also when v can't be encoded.
func (pub *Publisher[T]) Publish(ctx context.Context, v T, opts ...PublishOption) (Result, error) {
	if err := argument.Context(ctx); err != nil {
		return pub.state.refused([16]byte{}, err)
	}
	var it item
	defer it.release()
	err := pub.encode(&it, v, opts)
	if err != nil {
		return pub.state.refused(it.id, err)
	}
	return pub.producer.sendItem(ctx, pub.state, &it)
}

// PublishAll sends vs in this order and waits for all outcomes; see Producer.SendAll. The options
// apply to each message.
func (pub *Publisher[T]) PublishAll(ctx context.Context, vs []T, opts ...PublishOption) error {
	if err := argument.Context(ctx); err != nil || len(vs) == 0 {
		return err
	}
	ctx, all := pub.producer.newSendAllCall(ctx, pub.state, len(vs))
	defer all.end(ctx)
	for _, v := range vs {
		it := item{scratch: all.scratch}
		if err := pub.encode(&it, v, opts); err != nil {
			all.refuse(pub.state, err)
			continue
		}
		all.send(ctx, pub.state, &it)
	}
	return all.wait(ctx)
}

// PublishAsync sends v without waiting for its outcome; see Producer.SendAsync for ctx and done,
// which may be nil. PublishAsync encodes v before it returns, so v may be changed then.
func (pub *Publisher[T]) PublishAsync(ctx context.Context, v T, done func(Result), opts ...PublishOption) {
	var it item
	defer it.release()
	err := pub.encode(&it, v, opts)
	if err == nil {
		pub.producer.sendAsyncItem(ctx, pub.state, &it, done)
		return
	}
	if err = pub.state.refuse(-1, err); done != nil {
		pub.producer.reportRefused(callbackSink(done), Result{Outcome: Failed, Err: err})
	}
}

// encode sets it to the message of v.
func (pub *Publisher[T]) encode(it *item, v T, opts []PublishOption) error {
	if err := pub.encoder.encode(it, v, opts); err != nil {
		return err
	}
	it.scratch.reserve(it.payload)
	return pub.compressor.compress(it)
}
