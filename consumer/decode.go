package consumer

import (
	"runtime"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// decodedMessage is the state of a delivery together with its Message, so that both are one
// allocation for many messages.
type decodedMessage[T any] struct {
	state   deliver.Message
	message Message[T]
}

// init connects the two.
func (d *decodedMessage[T]) init(a *app[T], q *deliver.Queue, raw *wire.Message) {
	if d.state.Raw = raw; isParked(q) {
		unpark(&d.state, a.e)
	}
	d.state.Value = &d.message
	d.message.d = (*consumed)(&d.state)
}

// Decode implements deliver.App.
func (a *app[T]) Decode(q *deliver.Queue, raw []wire.Message, dst []*deliver.Message) []*deliver.Message {
	decoded := make([]decodedMessage[T], len(raw))
	for i := range decoded {
		d := &decoded[i]
		if d.init(a, q, &raw[i]); !d.state.Foreign {
			d.state.Err = a.decode(q, &d.state, &d.message)
		}
		dst = append(dst, &d.state)
	}
	return dst
}

// Undecodable implements deliver.App.
func (a *app[T]) Undecodable(q *deliver.Queue, raw *wire.Message, cause error) *deliver.Message {
	d := &decodedMessage[T]{}
	d.init(a, q, raw)
	d.state.Err = cause
	return &d.state
}

// Copy implements deliver.App.
func (a *app[T]) Copy(m *deliver.Message, value bool) *deliver.Message {
	next := &decodedMessage[T]{}
	if value {
		next.message = Message[T]{Value: m.Value.(*Message[T]).Value, d: (*consumed)(&next.state)}
		next.state.Value = &next.message
	}
	return &next.state
}

// DecodeAgain implements deliver.App.
func (a *app[T]) DecodeAgain(d *deliver.Message) error {
	m := &Message[T]{d: (*consumed)(d)}
	decompressed, err := a.decodeValue(d.Queue(), d, m)
	if err != nil {
		return err
	}
	d.Value, d.Decompressed = m, decompressed
	return nil
}

// OnUnreachable implements deliver.App.
func (a *app[T]) OnUnreachable(d *deliver.Message, f func()) {
	runtime.AddCleanup(d.Value.(*Message[T]), func(f func()) { f() }, f)
}

// decode decodes one message. A panic of the codec or the key function is a failure of the message.
func (a *app[T]) decode(q *deliver.Queue, d *deliver.Message, m *Message[T]) error {
	return callback.Recover(func() (err error) {
		if d.Decompressed, err = a.decodeValue(q, d, m); err != nil {
			return err
		}
		if d.Key = a.storedKey(d.Raw); d.Key == "" {
			d.Key = a.topic.KeyOf(m.Value)
		}
		return nil
	})
}

// storedKey returns the key that the publisher has stored with a message, if the topic stores keys.
func (a *app[T]) storedKey(raw *wire.Message) string {
	if !a.topic.StoresKeys() {
		return ""
	}
	return a.e.headersOf(raw).Get(topic.HeaderPartitionKey)
}

// decodeValue decodes the value of m, and returns the size of the payload if that was compressed.
func (a *app[T]) decodeValue(q *deliver.Queue, d *deliver.Message, m *Message[T]) (decompressed int, err error) {
	raw := d.Raw
	if codec, ok := a.topic.Codec().(topic.RawDecoder[T]); ok {
		m.Value, err = codec.DecodeRaw(rawMessage(q, d))
		return 0, err
	}
	payload, err := a.decompress(raw)
	if err != nil {
		return 0, err
	}
	if deliver.Compressed(raw) {
		decompressed = len(payload)
	}
	headers, err := a.e.plainHeaders(raw)
	if err != nil {
		return 0, err
	}
	m.Value, err = a.topic.Codec().Decode(payload, topic.EncodedHeaders(headers))
	return decompressed, err
}
