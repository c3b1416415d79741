package consumer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// DeadLetters stores the messages that a consumer gives up.
type DeadLetters[T any] interface {
	// DeadLetter stores a message and its failure. It returns nil only when that was confirmed: then
	// the message's offset is committed. After an error it is called again, with backoff, while the
	// message's partition waits; so one message may be stored more than once. It is called
	// by several goroutines and must return when ctx ends. A panic, and the end of its goroutine by
	// runtime.Goexit, is an error.
	DeadLetter(ctx context.Context, f topic.Failure[T]) error
}

// SetDeadLetters sets where the messages go that the consumer gives up, such as a deadletter.Sink; nil
// means nowhere. Without dead letters such messages are logged, counted and skipped. SetDeadLetters
// returns ErrConsuming once consumption has begun: call it before Handle, Next and Messages.
func (c *Consumer[T]) SetDeadLetters(d DeadLetters[T]) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.consuming {
		return fmt.Errorf("iggy: consumer %s: set dead letters: %w", c.e.name, ErrConsuming)
	}
	c.app.deadLetters = d
	return nil
}

// HasDeadLetters implements deliver.App.
func (a *app[T]) HasDeadLetters() bool { return a.deadLetters != nil }

// DeadLetter implements deliver.App.
func (a *app[T]) DeadLetter(ctx context.Context, d *deliver.Message, cause error, code string, attempts int) error {
	f := topic.Failure[T]{
		Origin: originOf((*consumed)(d)), Raw: a.rawOf(d), Payload: d.Raw.Payload, Headers: slices.Collect(a.e.headersOf(d.Raw).All()),
		Code: code, Err: cause, Attempts: attempts,
	}
	f.Key = f.Raw.Key
	if plain, err := a.decompress(d.Raw); err == nil {
		f.Payload = plain
		f.Headers = slices.DeleteFunc(f.Headers, func(h topic.Header) bool { return strings.EqualFold(h.Key, topic.HeaderContentEncoding) })
	}
	if attempts > 0 {
		f.Decoded, f.Value = true, a.originalValue(d)
	}
	return a.deadLetters.DeadLetter(ctx, f)
}

// rawOf returns a message as it is stored, with its key.
func (a *app[T]) rawOf(d *deliver.Message) topic.RawMessage {
	raw := rawMessage(d.Queue(), d)
	if raw.Key = d.Key; raw.Key == "" {
		raw.Key = a.storedKey(d.Raw) // of a message that can't be decoded
	}
	return raw
}

// originalValue returns the value of a message as it was first decoded: a handler may have changed
// what it was given.
func (a *app[T]) originalValue(d *deliver.Message) T {
	m := &Message[T]{}
	err := callback.Call(func() error {
		_, err := a.decodeValue(d.Queue(), d, m)
		return err
	})
	if err != nil { // a codec that can't decode twice
		return d.Value.(*Message[T]).Value
	}
	return m.Value
}
