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

// Stream describes a stream on the server.
type Stream struct {
	Name string `json:"name"`
	// Topics is the number of its topics.
	Topics uint32 `json:"topics"`
	// Messages and Bytes are the number and the size of the messages in the stream.
	Messages uint64    `json:"messages"`
	Bytes    uint64    `json:"bytes"`
	Created  time.Time `json:"created"`
}

// Streams lists the streams by name. The user needs the permission to read all streams.
func (a *Admin) Streams(ctx context.Context) ([]Stream, error) {
	var streams []Stream
	err := a.do(ctx, func(ctx context.Context, s session) error {
		var all []iggcon.Stream
		err := s.call(ctx, "list streams", "", func(c *tcp.IggyTcpClient) (err error) {
			all, err = c.GetStreams()
			return err
		})
		if err != nil {
			return err
		}
		streams = make([]Stream, len(all))
		for i, one := range all {
			streams[i] = Stream{
				Name: one.Name, Topics: one.TopicsCount, Messages: one.MessagesCount, Bytes: one.SizeBytes, Created: microsToTime(one.CreatedAt),
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(streams, func(a, b Stream) int { return cmp.Compare(a.Name, b.Name) })
	return streams, nil
}

// Topic describes a topic on the server.
type Topic struct {
	Stream     string `json:"stream"`
	Name       string `json:"name"`
	Partitions uint32 `json:"partitions"`
	// Retention is how long messages are kept; topic.RetentionForever means for ever. The server applies it
	// only when its cleaner is on.
	Retention time.Duration `json:"retention"`
	// MaxSize is the size at which old messages are deleted; 0 means no limit.
	MaxSize uint64 `json:"max_size"`
	// Messages and Bytes are the number and the size of the messages in the topic.
	Messages uint64    `json:"messages"`
	Bytes    uint64    `json:"bytes"`
	Created  time.Time `json:"created"`
}

// String is "stream/name".
func (t Topic) String() string { return transport.ObjectTopic(t.Stream, t.Name) }

// Partition describes a partition on the server.
type Partition struct {
	ID uint32 `json:"id"`
	// Messages is the number of messages in the partition.
	Messages uint64 `json:"messages"`
	// Current is the offset of the newest message, and 0 when there never was a message.
	Current uint64 `json:"current"`
}

// Topics lists a stream's topics by name. The error matches iggyerr.ErrNotFound when there is no
// such stream.
func (a *Admin) Topics(ctx context.Context, stream string) ([]Topic, error) {
	const op = "list topics"
	if err := transport.CheckNames(op, "stream", stream); err != nil {
		return nil, err
	}
	var topics []Topic
	err := a.do(ctx, func(ctx context.Context, s session) error {
		var details *iggcon.StreamDetails
		err := s.call(ctx, op, stream, func(c *tcp.IggyTcpClient) (err error) {
			details, err = c.GetStream(identifier(stream))
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

// Topic reads one topic. The error matches iggyerr.ErrNotFound when there is no such stream or
// topic.
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
		details, err = c.GetTopic(identifier(stream), identifier(name))
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
		Stream: stream, Name: t.Name, Partitions: t.PartitionsCount, Retention: retention(t.MessageExpiry), MaxSize: limit(t.MaxTopicSize),
		Messages: t.MessagesCount, Bytes: t.Size, Created: microsToTime(t.CreatedAt),
	}
}

// retention converts an expiry in microseconds; the largest number means never.
func retention(expiry iggcon.Duration) time.Duration {
	if uint64(expiry) > math.MaxInt64/uint64(time.Microsecond) {
		return topic.RetentionForever
	}
	return time.Duration(expiry) * time.Microsecond
}

// expiry converts a retention to microseconds; 0 means the default of the server.
func expiry(retention time.Duration) iggcon.Duration {
	if retention == topic.RetentionForever {
		return iggcon.IggyExpiryNeverExpire
	}
	return iggcon.Duration(retention / time.Microsecond)
}

// limit converts a size limit; the largest number means none.
func limit(size uint64) uint64 {
	if size == math.MaxUint64 {
		return 0
	}
	return size
}

// microsToTime converts microseconds since 1970.
func microsToTime(t uint64) time.Time {
	return time.UnixMicro(int64(min(t, math.MaxInt64))).UTC()
}

// DeleteStream deletes a stream with all its topics. A missing stream is no error.
func (a *Admin) DeleteStream(ctx context.Context, stream string) error {
	return a.delete(ctx, "delete stream", stream, func(c *tcp.IggyTcpClient) error {
		return c.DeleteStream(identifier(stream))
	}, "stream", stream)
}

// DeleteTopic deletes a topic with its messages, groups and offsets. A missing topic is no error.
func (a *Admin) DeleteTopic(ctx context.Context, stream, name string) error {
	return a.delete(ctx, "delete topic", transport.ObjectTopic(stream, name), func(c *tcp.IggyTcpClient) error {
		return c.DeleteTopic(identifier(stream), identifier(name))
	}, "stream", stream, "topic", name)
}

// delete deletes an object. A missing object is no error, so that the request can be repeated.
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
