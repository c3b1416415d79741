package consumer

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// delivery is what a Message knows of its delivery, and what settles it: a *consumed, or the
// *testDelivery of a message that no consumer has delivered.
type delivery interface {
	// raw returns the message as it is stored.
	raw() *wire.Message
	headers() topic.Headers
	key() string
	source() source
	deliveries() int
	attempts() int
	// payload returns the payload of raw, which stays valid.
	payload() []byte
	context() context.Context
	// stopping returns a channel that is closed when the consumer stops: a delivery that is given up
	// for that is no failure. It is nil when that can't be.
	stopping() <-chan struct{}
	ack()
	nack(err error)
	awaitCommit(ctx context.Context) error
}

// source is where a message was read, and by which group.
type source struct {
	stream, topic, group string
	partition            uint32
}

// consumed is the delivery of a message by a consumer.
type consumed deliver.Message

func (c *consumed) message() *deliver.Message { return (*deliver.Message)(c) }

// partition returns the assignment that the message came from.
func (c *consumed) partition() *partition { return c.message().Queue().Owner().(*partition) }

// raw returns a parked message as it was before it was parked.
func (c *consumed) raw() *wire.Message {
	if c.Parked == nil {
		return c.Raw
	}
	raw, from := *c.Raw, c.Parked.Origin
	raw.ID, raw.Offset, raw.Timestamp = from.ID, from.Offset, uint64(from.Timestamp.UnixMicro())
	return &raw
}

func (c *consumed) headers() topic.Headers { return c.partition().e.headersOf(c.Raw) }
func (c *consumed) key() string            { return c.Key }
func (c *consumed) deliveries() int        { return c.message().Deliveries() }
func (c *consumed) attempts() int          { return c.message().Attempts() }
func (c *consumed) payload() []byte        { return c.message().Payload() }
func (c *consumed) ack()                   { c.message().Ack() }
func (c *consumed) nack(err error)         { c.message().Nack(err) }

func (c *consumed) source() source { return sourceOf(c.message().Queue(), c.message()) }

// sourceOf returns where a message of q was read; a parked one, before it was parked.
func sourceOf(q *deliver.Queue, d *deliver.Message) source {
	p := q.Owner().(*partition)
	s := source{stream: p.e.identity.Stream, topic: p.e.identity.Topic, group: p.e.group(), partition: p.id}
	if d.Parked != nil {
		s.stream, s.topic, s.partition = d.Parked.Origin.Stream, d.Parked.Origin.Topic, d.Parked.Origin.Partition
	}
	return s
}

// isParked reports whether the messages of q are parked ones.
func isParked(q *deliver.Queue) bool { return q.Owner().(*partition).e.delays.Partitions > 0 }

func (c *consumed) context() context.Context { return c.message().Queue().Context() }

func (c *consumed) stopping() <-chan struct{} { return c.partition().e.pool.Stopping() }

// awaitCommit waits until the offset of the message is committed.
func (c *consumed) awaitCommit(ctx context.Context) error {
	queue := c.message().Queue()
	e := c.partition().e
	if !e.storesOffsets || e.atMostOnce {
		return nil
	}
	p := e.assignments.find(queue.ID())
	if p == nil || p.queue != queue {
		if err := context.Cause(queue.Context()); err != nil {
			return err
		}
		return ErrLost
	}
	return p.commits.Await(ctx, c.message().Seq())
}
