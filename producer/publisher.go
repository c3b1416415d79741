package producer

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Publisher sends the messages of one topic. It encodes them with the topic's codec, takes their
// key from the topic, and describes the payload in the headers content-type and message-type. It is
// safe for concurrent use and needs no closing. Several publishers may share a Producer.
type Publisher[T any] struct {
	producer *Producer
	topic    topic.Topic[T]
	state    *topicState
	headers  []byte                 // content-type and message-type, encoded
	describe topic.HeaderEncoder[T] // makes the headers of each message; nil where they are fixed
	cipher   topic.HeaderCipher     // nil: headers are not encrypted

	compressor compressor
}

// For returns a publisher of t's messages that sends through p. The topic need not exist yet.
// Payloads are compressed as the topic says, except for messages that have a content-encoding
// header.
func For[T any](p *Producer, t topic.Topic[T]) *Publisher[T] {
	pub := &Publisher[T]{producer: p, topic: t, state: p.topics.pin(t.Stream(), t.Name()), compressor: newCompressor(t.Compression())}
	pub.describe, _ = t.Codec().(topic.HeaderEncoder[T])
	pub.cipher, _ = t.Codec().(topic.HeaderCipher)
	if pub.describe == nil {
		for _, h := range fixedHeaders(t) {
			pub.headers = wire.AppendHeader(pub.headers, h.Key, h.Value)
		}
	}
	return pub
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
	it, err := pub.item(nil, v, opts)
	defer it.release()
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
		it, err := pub.item(all.scratch, v, opts)
		if err != nil {
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
	it, err := pub.item(nil, v, opts)
	defer it.release()
	if err == nil {
		pub.producer.sendAsyncItem(ctx, pub.state, &it, done)
		return
	}
	if err = pub.state.refuse(-1, err); done != nil {
		pub.producer.reportRefused(callbackSink(done), Result{Outcome: Failed, Err: err})
	}
}

// item encodes v into s, or into a scratch of its own when s is nil.
func (pub *Publisher[T]) item(s *scratch, v T, opts []PublishOption) (item, error) {
	it := item{headers: pub.headers, scratch: s, cipher: pub.cipher}
	s = it.getScratch()
	payload, err := pub.topic.Codec().Append(s.payload[:0], v)
	if err != nil {
		return it, err
	}
	s.reserve(payload)
	it.payload = payload
	if pub.describe != nil {
		headers, err := pub.describe.Headers(v)
		if err == nil {
			err = it.addHeaders(headers)
		}
		if err != nil {
			return it, err
		}
	}
	if err := pub.apply(&it, v, opts); err != nil {
		return it, err
	}
	err = pub.compressor.compress(&it)
	return it, err
}

// apply sets the key of v, and what the options of a call say.
func (pub *Publisher[T]) apply(it *item, v T, opts []PublishOption) error {
	if len(opts) == 0 {
		it.key = pub.topic.KeyOf(v)
		pub.storeKey(it, nil)
		return nil
	}
	var o publication
	if err := argument.Apply(&o, opts); err != nil {
		return err
	}
	if it.key = o.key; !o.keyed {
		it.key = pub.topic.KeyOf(v)
	}
	it.partition, it.id = o.partition, o.id
	if err := it.addHeaders(o.headers); err != nil {
		return err
	}
	pub.storeKey(it, o.headers)
	return nil
}

// storeKey adds the header with the key that chooses the partition, unless the application's headers
// have one.
func (pub *Publisher[T]) storeKey(it *item, headers []topic.Header) {
	if !storesKey(pub.topic, it.key, it.partition, headers) {
		return
	}
	s := it.ownHeaders()
	s.headers = wire.AppendHeader(s.headers, topic.HeaderPartitionKey, it.key)
	it.headers = s.headers
}

// storesKey reports whether the key of a message is stored with it.
func storesKey[T any](t topic.Topic[T], key string, partition Partition, headers []topic.Header) bool {
	_, explicit := partition.ID()
	return t.StoresKeys() && !explicit && key != "" && len(key) <= maxKeyBytes && !hasHeader(headers, topic.HeaderPartitionKey)
}
