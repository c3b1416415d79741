package producer

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Publisher sends the messages of one topic: it encodes them with the topic's
// codec, takes their key from the topic, and describes the payload in the headers
// content-type and message-type. It is safe for concurrent use and has nothing to
// close; several may share a Producer.
type Publisher[T any] struct {
	producer *Producer
	topic    topic.Topic[T]
	state    *topicState
	headers  []byte // content-type and message-type, encoded
}

// For is a publisher of t's messages that sends through p. The topic need not exist yet.
func For[T any](p *Producer, t topic.Topic[T]) *Publisher[T] {
	pub := &Publisher[T]{producer: p, topic: t, state: p.pinTopic(t.Stream(), t.Name())}
	if contentType := t.Codec().ContentType(); contentType != "" {
		pub.headers = wire.AppendHeader(pub.headers, topic.HeaderContentType, contentType)
	}
	if messageType := t.Codec().MessageType(); messageType != "" {
		pub.headers = wire.AppendHeader(pub.headers, topic.HeaderMessageType, messageType)
	}
	return pub
}

// Topic is where the messages go.
func (pub *Publisher[T]) Topic() topic.Topic[T] { return pub.topic }

// PublishOption changes one publication.
type PublishOption func(*publication)

type publication struct {
	key       string
	keyed     bool
	partition Partition
	id        [16]byte
	headers   []topic.Header
}

// WithKey replaces the key that the topic finds in the message, for the choice of the partition.
//
// A key is not stored. A consumer finds its own, by the topic's function in the message, and handles messages of one such key
// in order and one at a time: it knows nothing of the key that is given here. Messages that this key keeps together
// are handled side by side where the topic's key tells them apart, and one after another where it does not. For a key
// that both ends know, give both of them the same topic.Topic, made with topic.Key or changed by its
// method KeyedBy.
func WithKey(key string) PublishOption {
	return func(p *publication) { p.key, p.keyed = key, true }
}

// WithPartition chooses the partition, whatever the key.
func WithPartition(id uint32) PublishOption {
	return func(p *publication) { p.partition = OnPartition(id) }
}

// WithID sets the message's id, instead of a new UUIDv7. It is not for PublishAll,
// whose messages would share it.
func WithID(id [16]byte) PublishOption {
	return func(p *publication) { p.id = id }
}

// WithHeaders adds user headers. Those named content-type, content-encoding and
// message-type are the library's own.
func WithHeaders(headers ...topic.Header) PublishOption {
	return func(p *publication) { p.headers = append(p.headers, headers...) }
}

// Publish sends v and waits until it is confirmed; see Producer.Send for ctx and for
// the error, which is a *SendError also when v can't be encoded.
func (pub *Publisher[T]) Publish(ctx context.Context, v T, opts ...PublishOption) error {
	it, err := pub.item(nil, v, opts)
	defer it.release()
	if err != nil {
		return pub.state.refuse(-1, err)
	}
	return pub.producer.sendItem(ctx, pub.state, &it, len(it.payload))
}

// PublishAll sends vs in this order and waits for all outcomes; see
// Producer.SendAll. The options hold for each of them.
func (pub *Publisher[T]) PublishAll(ctx context.Context, vs []T, opts ...PublishOption) error {
	if len(vs) == 0 {
		return nil
	}
	all := pub.producer.startAll(ctx, len(vs))
	defer all.acceptor.flush() // also when the codec or the key's function panics
	for _, v := range vs {
		it, err := pub.item(all.scratch, v, opts)
		if err != nil {
			all.refuse(pub.state, err)
			continue
		}
		all.send(pub.state, &it, len(it.payload))
	}
	return all.wait()
}

// PublishAsync sends v without waiting for its outcome; see Producer.SendAsync for
// ctx and done, which may be nil. v is encoded before PublishAsync returns, so it may
// be changed then.
func (pub *Publisher[T]) PublishAsync(ctx context.Context, v T, done func(Result), opts ...PublishOption) {
	it, err := pub.item(nil, v, opts)
	defer it.release()
	if err == nil {
		pub.producer.sendAsyncItem(ctx, pub.state, &it, len(it.payload), done)
		return
	}
	if err = pub.state.refuse(-1, err); done != nil {
		pub.producer.answer(callback(done), Result{Outcome: Failed, Err: err})
	}
}

// item encodes v into s, or into a scratch of its own when s is nil.
func (pub *Publisher[T]) item(s *scratch, v T, opts []PublishOption) (item, error) {
	it := item{headers: pub.headers, scratch: s}
	s = it.need()
	payload, err := pub.topic.Codec().Append(s.payload[:0], v)
	if err != nil {
		return it, err
	}
	s.fit(payload)
	it.payload = payload
	if len(opts) == 0 {
		it.key = pub.topic.KeyOf(v)
		return it, nil
	}
	var o publication
	for _, opt := range opts {
		opt(&o)
	}
	if it.key = o.key; !o.keyed {
		it.key = pub.topic.KeyOf(v)
	}
	it.partition, it.id = o.partition, o.id
	return it, it.add(o.headers)
}
