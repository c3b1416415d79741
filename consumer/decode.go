package consumer

import (
	"runtime/debug"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// entry is a message together with its first message, so that both are one allocation
// for many messages.
type entry[T any] struct {
	r message
	m Message[T]
}

// decode implements typed.
func (c *Consumer[T]) decode(raw []wire.Message, dst []*message) []*message {
	entries := make([]entry[T], len(raw))
	for i := range entries {
		e := &entries[i]
		e.r.raw = &raw[i]
		e.m.r, e.m.delivery = &e.r, 1
		e.r.typed = &e.m
		e.r.cause = c.open(&e.r, &e.m)
		dst = append(dst, &e.r)
	}
	return dst
}

// broken implements typed.
func (c *Consumer[T]) broken(m *wire.Message, cause error) *message {
	e := &entry[T]{r: message{raw: m, cause: cause}}
	e.m.r, e.m.delivery = &e.r, 1
	e.r.typed = &e.m
	return &e.r
}

// open decodes one message. A codec or a key function that panics is a failure
// of the message.
func (c *Consumer[T]) open(r *message, m *Message[T]) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &iggyerr.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	payload, err := c.plain(r)
	if err != nil {
		return err
	}
	if compressed(r.raw) {
		r.unpacked = len(payload)
	}
	if m.Value, err = c.topic.Codec().Decode(payload); err != nil {
		return err
	}
	r.key = c.topic.KeyOf(m.Value)
	return nil
}

// value decodes a message's payload. A codec that panics is a failure of the message.
func (c *Consumer[T]) value(r *message) (value T, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &iggyerr.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	payload, err := c.plain(r)
	if err != nil {
		return value, err
	}
	return c.topic.Codec().Decode(payload)
}

// pristine is the value of a message that was decoded before, as it was then.
func (c *Consumer[T]) pristine(r *message) (value T) {
	var err error
	if !exits(func() { value, err = c.value(r) }) && err == nil {
		return value
	}
	return r.typed.(*Message[T]).Value // a codec that can't do it twice
}

// plain is the message's payload without the compression that its headers name.
func (c *Consumer[T]) plain(r *message) ([]byte, error) {
	if !compressed(r.raw) {
		// Most messages end here, without their headers being decoded.
		return r.raw.Payload, nil
	}
	name, err := encodingOf(r.raw)
	if err != nil {
		return nil, err
	}
	return encoding.Decode(name, r.raw.Payload, int(c.e.cfg.MaxDecompressedBytes))
}

// again implements typed.
func (c *Consumer[T]) again(r *message) {
	r.typed = &Message[T]{Value: c.pristine(r), r: r, delivery: r.deliveries + 1}
}
