package consumer

import (
	"context"
	"fmt"
)

// TypeCase handles the messages whose values have one type. Make one with Case.
type TypeCase[T any] struct {
	handle func(ctx context.Context, m *Message[T]) (matches bool, err error)
}

// Case returns the case of messages whose Value is a V; the handler gets that as well. A V that is an
// interface, T for example, matches every type that implements it. Case panics when handler is nil.
func Case[T, V any](handler func(ctx context.Context, m *Message[T], v V) error) TypeCase[T] {
	if handler == nil {
		panic("consumer: Case: no handler")
	}
	return TypeCase[T]{func(ctx context.Context, m *Message[T]) (bool, error) {
		v, ok := any(m.Value).(V)
		if !ok {
			return false, nil
		}
		return true, handler(ctx, m, v)
	}}
}

// Switch returns the handler of a topic with several types of messages (topic.OneOf): it calls the
// first case that matches the value. A message that no case matches fails for good, with an error
// that names its type.
//
//	orders.Handle(consumer.Switch(
//		consumer.Case(func(ctx context.Context, m *consumer.Message[Event], v OrderPlaced) error {…}),
//		consumer.Case(func(ctx context.Context, m *consumer.Message[Event], v *shoppb.OrderShipped) error {…}),
//	))
func Switch[T any](cases ...TypeCase[T]) Handler[T] {
	return func(ctx context.Context, m *Message[T]) error {
		for _, c := range cases {
			if c.handle == nil {
				continue
			}
			if matches, err := c.handle(ctx, m); matches {
				return err
			}
		}
		return Permanent(fmt.Errorf("iggy: no case for a message of type %T", m.Value))
	}
}
