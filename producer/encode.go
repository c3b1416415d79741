package producer

import (
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Encode returns the message that a Publisher of t sends for v, before compression and without a
// trace context: to store it in an outbox and send it later, or to look at it in a test. It returns
// the errors of Publish that don't come from sending. With topic.OfficialFormat, the headers are not
// encrypted before the message itself is given to Send: a copy of its exported fields would be sent
// with readable headers.
func Encode[T any](t topic.Topic[T], v T, opts ...PublishOption) (Message, error) {
	var o publication
	if err := argument.Apply(&o, opts); err != nil {
		return Message{}, err
	}
	payload, err := t.Codec().Append(nil, v)
	if err != nil {
		return Message{}, err
	}
	m := Message{
		Stream: t.Stream(), Topic: t.Name(), Key: o.key, Partition: o.partition, ID: o.id,
		Payload: payload,
	}
	m.cipher, _ = t.Codec().(topic.HeaderCipher)
	if !o.keyed {
		m.Key = t.KeyOf(v)
	}
	headers, err := codecHeaders(t, v)
	if err != nil {
		return Message{}, err
	}
	for _, h := range headers {
		if !hasHeader(o.headers, h.Key) {
			m.Headers = append(m.Headers, h)
		}
	}
	m.Headers = append(m.Headers, o.headers...)
	if storesKey(t, m.Key, m.Partition, o.headers) {
		m.Headers = append(m.Headers, topic.Header{Key: topic.HeaderPartitionKey, Value: m.Key})
	}
	it, err := m.item(nil)
	defer it.release()
	if err != nil {
		return Message{}, err
	}
	err = it.check()
	return m, err
}

// codecHeaders returns the headers that describe the payload of v.
func codecHeaders[T any](t topic.Topic[T], v T) ([]topic.Header, error) {
	if codec, ok := t.Codec().(topic.HeaderEncoder[T]); ok {
		return codec.Headers(v)
	}
	return fixedHeaders(t), nil
}

// fixedHeaders returns the headers that describe all payloads of t, where the codec says so.
func fixedHeaders[T any](t topic.Topic[T]) []topic.Header {
	var headers []topic.Header
	if contentType := t.Codec().ContentType(); contentType != "" {
		headers = append(headers, topic.Header{Key: topic.HeaderContentType, Value: contentType})
	}
	if messageType := t.Codec().MessageType(); messageType != "" {
		headers = append(headers, topic.Header{Key: topic.HeaderMessageType, Value: messageType})
	}
	return headers
}
