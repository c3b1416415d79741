package consumer

import (
	"runtime/debug"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
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
func (c *Consumer[T]) decodeMessage(msg *message, m *Message[T]) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &iggyerr.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
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
}

// decodeValue decodes the payload of a message.
func (c *Consumer[T]) decodeValue(msg *message) (value T, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &iggyerr.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	payload, err := c.decompress(msg)
	if err != nil {
		return value, err
	}
	return c.topic.Codec().Decode(payload)
}

// originalValue is the value of a message that was decoded before, as it was then.
func (c *Consumer[T]) originalValue(msg *message) (value T) {
	var err error
	if !exitsGoroutine(func() { value, err = c.decodeValue(msg) }) && err == nil {
		return value
	}
	return msg.typed.(*Message[T]).Value // a codec that can't do it twice
}

// nextDelivery implements typedConsumer.
func (c *Consumer[T]) nextDelivery(msg *message) {
	msg.typed = &Message[T]{Value: c.originalValue(msg), msg: msg, delivery: msg.deliveries + 1}
}

// exits runs f in a goroutine of its own, waits for it, and tells whether f ended the
// goroutine instead of returning, as FailNow of a test does. f does not panic.
func exitsGoroutine(f func()) bool {
	returned := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
		returned = true
	}()
	<-done
	return !returned
}

// errDecoderExited is the failure of a message whose codec, or its topic's
// key function, ended its goroutine.
var errDecoderExited = &iggyerr.PanicError{Value: "the codec or the key function ended its goroutine"}
