package admin

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Stream is what the server says about a stream.
type Stream struct {
	Name     string    `json:"name"`
	Topics   uint32    `json:"topics"`
	Messages uint64    `json:"messages"`
	Bytes    uint64    `json:"bytes"`
	Created  time.Time `json:"created"`
}

// Topic is what the server says about a topic.
type Topic struct {
	Stream     string `json:"stream"`
	Name       string `json:"name"`
	Partitions uint32 `json:"partitions"`
	// Retention is how long messages are kept, topic.Never for ever. The server
	// acts on it only when its cleaner is on.
	Retention time.Duration `json:"retention"`
	// MaxBytes is the size at which old messages are deleted; 0 means no limit.
	MaxBytes uint64 `json:"max_bytes"`
	// Messages and Bytes are what the topic holds at present.
	Messages uint64    `json:"messages"`
	Bytes    uint64    `json:"bytes"`
	Created  time.Time `json:"created"`
}

// String is "stream/name".
func (t Topic) String() string { return transport.ObjectTopic(t.Stream, t.Name) }

// Partition is what the server says about a partition.
type Partition struct {
	ID uint32 `json:"id"`
	// Messages is how many messages it holds at present.
	Messages uint64 `json:"messages"`
	// Current is the offset of its newest message; 0 also when there never was one.
	Current uint64 `json:"current"`
}

// Streams lists the streams by name.
func (a *Admin) Streams(ctx context.Context) ([]Stream, error) {
	var streams []Stream
	err := a.do(ctx, func(ctx context.Context, s session) error {
		var all []iggcon.Stream
		err := s.call(ctx, "list streams", "", func(c *tcp.IggyTcpClient) (err error) {
			all, err = c.GetStreams()
			return err
		})
		streams = make([]Stream, len(all))
		for i, one := range all {
			streams[i] = Stream{Name: one.Name, Topics: one.TopicsCount, Messages: one.MessagesCount, Bytes: one.SizeBytes, Created: micros(one.CreatedAt)}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(streams, func(a, b Stream) int { return cmp.Compare(a.Name, b.Name) })
	return streams, nil
}

// Topics lists a stream's topics by name. The error matches
// iggyerr.ErrNotFound when there is no such stream.
func (a *Admin) Topics(ctx context.Context, stream string) ([]Topic, error) {
	const op = "list topics"
	if err := transport.CheckNames(op, "stream", stream); err != nil {
		return nil, err
	}
	var topics []Topic
	err := a.do(ctx, func(ctx context.Context, s session) error {
		var details *iggcon.StreamDetails
		err := s.call(ctx, op, stream, func(c *tcp.IggyTcpClient) (err error) {
			details, err = c.GetStream(id(stream))
			return err
		})
		if err != nil {
			return err
		}
		topics = make([]Topic, len(details.Topics))
		for i, one := range details.Topics {
			topics[i] = newTopic(stream, one)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(topics, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	return topics, nil
}

// Topic reads one topic. The error matches iggyerr.ErrNotFound when there is
// no such stream or topic.
func (a *Admin) Topic(ctx context.Context, stream, name string) (Topic, []Partition, error) {
	var (
		found      Topic
		partitions []Partition
	)
	err := a.do(ctx, func(ctx context.Context, s session) (err error) {
		found, partitions, err = s.topic(ctx, stream, name)
		return err
	})
	return found, partitions, err
}

func (s session) topic(ctx context.Context, stream, name string) (Topic, []Partition, error) {
	const op = "read topic"
	if err := transport.CheckNames(op, "stream", stream, "topic", name); err != nil {
		return Topic{}, nil, err
	}
	var details *iggcon.TopicDetails
	err := s.call(ctx, op, transport.ObjectTopic(stream, name), func(c *tcp.IggyTcpClient) (err error) {
		details, err = c.GetTopic(id(stream), id(name))
		return err
	})
	if err != nil {
		return Topic{}, nil, err
	}
	partitions := make([]Partition, len(details.Partitions))
	for i, p := range details.Partitions {
		partitions[i] = Partition{ID: p.Id, Messages: p.MessagesCount, Current: p.CurrentOffset}
	}
	slices.SortFunc(partitions, func(a, b Partition) int { return cmp.Compare(a.ID, b.ID) })
	return newTopic(stream, details.Topic), partitions, nil
}

func newTopic(stream string, t iggcon.Topic) Topic {
	return Topic{
		Stream: stream, Name: t.Name, Partitions: t.PartitionsCount, Retention: retention(t.MessageExpiry), MaxBytes: limit(t.MaxTopicSize),
		Messages: t.MessagesCount, Bytes: t.Size, Created: micros(t.CreatedAt),
	}
}

// retention reads an expiry in microseconds; the largest number means never.
func retention(expiry iggcon.Duration) time.Duration {
	if uint64(expiry) > math.MaxInt64/uint64(time.Microsecond) {
		return topic.Never
	}
	return time.Duration(expiry) * time.Microsecond
}

// expiry is a retention as the server takes it: microseconds, 0 for its default.
func expiry(retention time.Duration) iggcon.Duration {
	if retention == topic.Never {
		return iggcon.IggyExpiryNeverExpire
	}
	return iggcon.Duration(retention / time.Microsecond)
}

// limit reads a size limit; the largest number means none.
func limit(size uint64) uint64 {
	if size == math.MaxUint64 {
		return 0
	}
	return size
}

func micros(t uint64) time.Time {
	return time.UnixMicro(int64(min(t, math.MaxInt64))).UTC()
}

// DeleteStream deletes a stream with everything in it. A missing one is no error.
func (a *Admin) DeleteStream(ctx context.Context, stream string) error {
	return a.delete(ctx, "delete stream", stream, func(c *tcp.IggyTcpClient) error {
		return c.DeleteStream(id(stream))
	}, "stream", stream)
}

// DeleteTopic deletes a topic with everything in it, the offsets of its
// consumers included. A missing one is no error.
func (a *Admin) DeleteTopic(ctx context.Context, stream, name string) error {
	return a.delete(ctx, "delete topic", transport.ObjectTopic(stream, name), func(c *tcp.IggyTcpClient) error {
		return c.DeleteTopic(id(stream), id(name))
	}, "stream", stream, "topic", name)
}

// DeleteGroup deletes a consumer group with its offsets. A missing one is no error.
func (a *Admin) DeleteGroup(ctx context.Context, g Group) error {
	return a.delete(ctx, "delete group", g.String(), func(c *tcp.IggyTcpClient) error {
		return c.DeleteConsumerGroup(id(g.Stream), id(g.Topic), id(g.Name))
	}, "stream", g.Stream, "topic", g.Topic, "group", g.Name)
}

// delete may be repeated: that what is to be deleted is missing is a success.
func (a *Admin) delete(ctx context.Context, op, object string, call func(*tcp.IggyTcpClient) error, names ...string) error {
	if err := transport.CheckNames(op, names...); err != nil {
		return err
	}
	err := a.do(ctx, func(ctx context.Context, s session) error { return s.call(ctx, op, object, call) })
	if errors.Is(err, iggyerr.ErrNotFound) {
		return nil
	}
	return err
}
