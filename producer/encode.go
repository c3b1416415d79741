package producer

import (
	"slices"

	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Encode returns the message that a Publisher of t sends for v, before compression and without a
// trace context: to store it in an outbox and send it later, or to look at it in a test. It returns
// the errors of Publish that don't come from sending. With topic.OfficialFormat, the headers are not
// encrypted before the message itself is given to Send: a copy of its exported fields would be sent
// with readable headers.
func Encode[T any](t topic.Topic[T], v T, opts ...PublishOption) (Message, error) {
	e := newEncoder(t)
	it := item{scratch: new(scratch)} // not of the pool: the message keeps the payload
	if err := e.encode(&it, v, opts); err != nil {
		return Message{}, err
	}
	m := Message{
		Stream: t.Stream(), Topic: t.Name(), Key: it.key, Partition: it.partition, ID: it.id,
		Payload: it.payload, Headers: slices.Collect(topic.EncodedHeaders(it.headers).All()), cipher: it.cipher,
	}
	return m, it.check()
}

// encoder encodes the messages of one topic. It is safe for concurrent use.
type encoder[T any] struct {
	topic      topic.Topic[T]
	codec      topic.Codec[T]
	headers    []byte                 // content-type and message-type, encoded once
	describe   topic.HeaderEncoder[T] // makes the headers of each message; nil where they are fixed
	cipher     topic.HeaderCipher     // nil: headers are not encrypted
	storesKeys bool
}

func newEncoder[T any](t topic.Topic[T]) encoder[T] {
	e := encoder[T]{topic: t, codec: t.Codec(), storesKeys: t.StoresKeys()}
	e.cipher, _ = e.codec.(topic.HeaderCipher)
	if e.describe, _ = e.codec.(topic.HeaderEncoder[T]); e.describe != nil {
		return e
	}
	if contentType := e.codec.ContentType(); contentType != "" {
		e.headers = wire.AppendHeader(e.headers, topic.HeaderContentType, contentType)
	}
	if messageType := e.codec.MessageType(); messageType != "" {
		e.headers = wire.AppendHeader(e.headers, topic.HeaderMessageType, messageType)
	}
	return e
}

// encode sets what it contains of v, in the scratch of it. The payload is not compressed.
func (e *encoder[T]) encode(it *item, v T, opts []PublishOption) error {
	s := it.getScratch()
	payload, err := e.codec.Append(s.payload[:0], v)
	if err != nil {
		return err
	}
	it.payload, it.headers, it.cipher = payload, e.headers, e.cipher
	if e.describe != nil {
		headers, err := e.describe.Headers(v)
		if err == nil {
			err = it.addHeaders(headers)
		}
		if err != nil {
			return err
		}
	}
	if len(opts) > 0 {
		return e.apply(it, s, v, opts)
	}
	it.key = e.topic.KeyOf(v)
	if e.storesKeys {
		it.storeKey(nil)
	}
	return nil
}

// apply sets the key of v, and what the options of a call say.
func (e *encoder[T]) apply(it *item, s *scratch, v T, opts []PublishOption) error {
	o := &s.publication
	defer o.reset()
	if err := argument.Apply(o, opts); err != nil {
		return err
	}
	if it.key = o.key; !o.keyed {
		it.key = e.topic.KeyOf(v)
	}
	it.partition, it.id = o.partition, o.id
	if err := it.addHeaders(o.headers); err != nil {
		return err
	}
	if e.storesKeys {
		it.storeKey(o.headers)
	}
	return nil
}

// storeKey adds the header with the key that chooses the partition, unless the application's headers
// have one.
func (it *item) storeKey(headers []topic.Header) {
	_, explicit := it.partition.ID()
	if explicit || it.key == "" || len(it.key) > maxKeyBytes || hasHeader(headers, topic.HeaderPartitionKey) {
		return
	}
	s := it.ownHeaders()
	s.headers = wire.AppendHeader(s.headers, topic.HeaderPartitionKey, it.key)
	it.headers = s.headers
}
