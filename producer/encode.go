package producer

import (
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Encode returns the message that a Publisher of t sends for v, before compression and without a
// trace context: to store it in an outbox and send it later, or to look at it in a test. It returns
// the errors of Publish that don't come from sending.
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
	if !o.keyed {
		m.Key = t.KeyOf(v)
	}
	for _, h := range codecHeaders(t) {
		if !hasHeader(o.headers, h.Key) {
			m.Headers = append(m.Headers, h)
		}
	}
	m.Headers = append(m.Headers, o.headers...)
	it, err := m.item(nil)
	defer it.release()
	if err != nil {
		return Message{}, err
	}
	err = it.check()
	return m, err
}

// codecHeaders returns the headers that describe the payloads of t.
func codecHeaders[T any](t topic.Topic[T]) []topic.Header {
	var headers []topic.Header
	if contentType := t.Codec().ContentType(); contentType != "" {
		headers = append(headers, topic.Header{Key: topic.HeaderContentType, Value: contentType})
	}
	if messageType := t.Codec().MessageType(); messageType != "" {
		headers = append(headers, topic.Header{Key: topic.HeaderMessageType, Value: messageType})
	}
	return headers
}
