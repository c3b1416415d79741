package consumer

import (
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// decodedMessage is the state of a message together with the Message of its first delivery, so that
// both are one allocation for many messages.
type decodedMessage[T any] struct {
	state   message
	message Message[T]
}

// decode implements typedConsumer.
func (c *Consumer[T]) decode(raw []wire.Message, dst []*message) []*message {
	decoded := make([]decodedMessage[T], len(raw))
	for i := range decoded {
		d := &decoded[i]
		d.state.raw = &raw[i]
		d.message.msg, d.message.delivery = &d.state, 1
		d.state.typed = &d.message
		d.state.cause = c.decodeMessage(&d.state, &d.message)
		dst = append(dst, &d.state)
	}
	return dst
}

// undecodable implements typedConsumer.
func (c *Consumer[T]) undecodable(m *wire.Message, cause error) *message {
	d := &decodedMessage[T]{state: message{raw: m, cause: cause}}
	d.message.msg, d.message.delivery = &d.state, 1
	d.state.typed = &d.message
	return &d.state
}

// decodeMessage decodes one message. A panic of the codec or the key function is a failure of the
// message.
func (c *Consumer[T]) decodeMessage(msg *message, m *Message[T]) error {
	return callback.Recover(func() error {
		payload, err := c.decompress(msg)
		if err != nil {
			return err
		}
		if compressed(msg.raw) {
			msg.decompressed = len(payload)
		}
		if m.Value, err = c.topic.Codec().Decode(payload); err != nil {
			return err
		}
		msg.key = c.topic.KeyOf(m.Value)
		return nil
	})
}

// originalValue is the value of a message that was decoded before, as it was then.
func (c *Consumer[T]) originalValue(msg *message) (value T) {
	err := callback.Call(func() error {
		payload, err := c.decompress(msg)
		if err == nil {
			value, err = c.topic.Codec().Decode(payload)
		}
		return err
	})
	if err != nil { // a codec that can't decode twice
		return msg.typed.(*Message[T]).Value
	}
	return value
}

// nextDelivery implements typedConsumer.
func (c *Consumer[T]) nextDelivery(msg *message) {
	msg.typed = &Message[T]{Value: c.originalValue(msg), msg: msg, delivery: msg.deliveries + 1}
}
