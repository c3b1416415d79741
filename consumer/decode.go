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
func (d *decodedMessage[T]) init(raw *wire.Message) {
	d.state.Raw = raw
	d.state.Value = &d.message
	d.message.d = (*consumed)(&d.state)
}

// Decode implements deliver.App. A panic of the codec or the key function is a failure of its message.
func (a *app[T]) Decode(q *deliver.Queue, raw []wire.Message, dst []*deliver.Message) []*deliver.Message {
	decoded := make([]decodedMessage[T], len(raw))
	parked := isParked(q)
	for next := 0; next < len(decoded); next++ {
		panicked := callback.Recover(func() error {
			for ; next < len(decoded); next++ {
				d := &decoded[next]
				if d.init(&raw[next]); parked {
					unpark(&d.state, a.e)
				}
				if !d.state.Foreign {
					d.state.Err = a.decode(q, &d.state, &d.message)
				}
			}
			return nil
		})
		if panicked != nil {
			decoded[next].state.Err = panicked
		}
	}
	for i := range decoded {
		dst = append(dst, &decoded[i].state)
	}
	return dst
}

// Undecodable implements deliver.App.
func (a *app[T]) Undecodable(q *deliver.Queue, raw *wire.Message, cause error) *deliver.Message {
	d := &decodedMessage[T]{}
	if d.init(raw); isParked(q) {
		unpark(&d.state, a.e)
	}
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

// decode decodes one message.
func (a *app[T]) decode(q *deliver.Queue, d *deliver.Message, m *Message[T]) (err error) {
	if d.Decompressed, err = a.decodeValue(q, d, m); err != nil {
		return err
	}
	if d.Key = a.storedKey(d.Raw); d.Key == "" {
		d.Key = a.topic.KeyOf(m.Value)
	}
	return nil
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
	if a.rawDecoder != nil {
		m.Value, err = a.rawDecoder.DecodeRaw(rawMessage(q, d))
		return 0, err
	}
	payload := raw.Payload
	if deliver.Compressed(raw) {
		if payload, err = a.decompress(raw); err != nil {
			return 0, err
		}
		decompressed = len(payload)
	}
	headers, err := a.e.plainHeaders(raw)
	if err != nil {
		return 0, err
	}
	m.Value, err = a.topic.Codec().Decode(payload, topic.EncodedHeaders(headers))
	return decompressed, err
}
