// Package producertest has a test double of producer.Publisher, for tests of code that publishes.
package producertest

import (
	"context"
	"errors"
	"sync"

	"github.com/google/uuid"

	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Publisher stands in for a *producer.Publisher[T] in tests: it has the same methods, keeps what is
// published, and sends nothing. Code that publishes takes an interface with the methods that it uses:
//
//	type Publisher interface {
//		Publish(ctx context.Context, o Order, opts ...producer.PublishOption) (producer.Result, error)
//	}
//
// It encodes each message as the real one does, so a message that can't be encoded or sent fails
// here, too. It is safe for concurrent use.
type Publisher[T any] struct {
	topic topic.Topic[T]

	mu        sync.Mutex
	published []Published[T]
	err       error
}

// Published is a message that was published.
type Published[T any] struct {
	// Message is the message as it is sent. Its ID is never zero, and its Partition is set.
	producer.Message
	// Value is what was published.
	Value T
}

// For returns a publisher of t's messages.
func For[T any](t topic.Topic[T]) *Publisher[T] { return &Publisher[T]{topic: t} }

// Fail makes everything fail that is published from now on, with a *producer.SendError that wraps
// err and has the outcome Failed. When err is a *producer.SendError, which may have the outcome
// Unknown, it is returned as it is. Fail(nil) ends this.
func (p *Publisher[T]) Fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// Published returns what was published, in this order. Messages that failed are not included.
func (p *Publisher[T]) Published() []Published[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Published[T](nil), p.published...)
}

// Values returns the values of what was published; see Published.
func (p *Publisher[T]) Values() []T {
	p.mu.Lock()
	defer p.mu.Unlock()
	values := make([]T, len(p.published))
	for i := range p.published {
		values[i] = p.published[i].Value
	}
	return values
}

// Publish keeps v. The result has the id of the message, and the partition that the server would
// choose for its key if the topic has as many partitions as its settings say; 0 without a key.
func (p *Publisher[T]) Publish(ctx context.Context, v T, opts ...producer.PublishOption) (producer.Result, error) {
	m, err := p.publish(ctx, v, opts)
	r := producer.Result{Outcome: producer.OutcomeOf(err), ID: m.ID, Err: err}
	if err == nil {
		r.Partition, _ = m.Partition.ID()
	}
	return r, err
}

// PublishAll keeps vs. The error is a *producer.SendAllError.
func (p *Publisher[T]) PublishAll(ctx context.Context, vs []T, opts ...producer.PublishOption) error {
	if err := argument.Context(ctx); err != nil {
		return err
	}
	results := make([]producer.Result, len(vs))
	failed := false
	for i, v := range vs {
		var err error
		results[i], err = p.Publish(ctx, v, opts...)
		failed = failed || err != nil
	}
	if failed {
		return &producer.SendAllError{Results: results}
	}
	return nil
}

// PublishAsync keeps v, and calls done, which may be nil, before it returns.
func (p *Publisher[T]) PublishAsync(ctx context.Context, v T, done func(producer.Result), opts ...producer.PublishOption) {
	if r, _ := p.Publish(ctx, v, opts...); done != nil {
		done(r)
	}
}

func (p *Publisher[T]) publish(ctx context.Context, v T, opts []producer.PublishOption) (producer.Message, error) {
	if err := argument.Context(ctx); err != nil {
		return producer.Message{}, p.failure(err)
	}
	m, err := producer.Encode(p.topic, v, opts...)
	if err != nil {
		return m, p.failure(err)
	}
	if m.ID == ([16]byte{}) {
		m.ID = uuid.Must(uuid.NewV7())
	}
	if _, ok := m.Partition.ID(); !ok {
		m.Partition = producer.OnPartition(p.partitionOf(m.Key))
	}
	if ctx.Err() != nil {
		return m, p.failure(context.Cause(ctx))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return m, p.failure(p.err)
	}
	p.published = append(p.published, Published[T]{Message: m, Value: v})
	return m, nil
}

func (p *Publisher[T]) partitionOf(key string) uint32 {
	if key == "" {
		return 0
	}
	return wire.PartitionOf(key, max(p.topic.Settings().Partitions, 1))
}

// failure returns cause as an error of sending.
func (p *Publisher[T]) failure(cause error) error {
	var send *producer.SendError
	if errors.As(cause, &send) {
		return cause
	}
	return &producer.SendError{Stream: p.topic.Stream(), Topic: p.topic.Name(), Partition: -1, Outcome: producer.Failed, Err: cause}
}
