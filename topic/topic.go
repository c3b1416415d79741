package topic

import (
	"fmt"
	"time"
)

// Never is the retention of a topic that keeps its messages for ever.
const Never time.Duration = -1

// Settings are what a topic is created with. The zero value of a field leaves
// the decision to the server.
type Settings struct {
	// Partitions is how many partitions the topic is created with, 1 to 1,000.
	// 0 means 1.
	Partitions uint32
	// Retention is how long messages are kept; 0 means the server's default,
	// Never means for ever. The server's own cleaner must be on for it to act.
	Retention time.Duration
	// MaxBytes bounds the size of the topic; 0 means the server's default.
	// Below the server's segment size (1 GiB by default) it is refused.
	MaxBytes uint64
}

// Topic tells where messages of type T live and how they travel. It is an
// immutable value, cheap to copy and safe for concurrent use; make one with New.
type Topic[T any] struct {
	stream, name string
	codec        Codec[T]
	key          func(T) string
	settings     Settings
}

// Option changes a Topic while New makes it.
type Option[T any] func(*Topic[T])

// Key sets how a message's partition key is found. Messages of one key are
// stored in one partition, in the order in which they were sent. An empty key,
// like a missing Key option, leaves the choice of the partition to the producer.
// A key has at most 255 bytes.
//
// The key does not travel with the message. A consumer calls the function again, and handles
// messages of one key in order and one at a time: so both ends must have the same one, mostly by sharing one Topic.
func Key[T any](key func(T) string) Option[T] {
	return func(t *Topic[T]) { t.key = key }
}

// WithSettings sets what the topic is created with when it is missing.
func WithSettings[T any](s Settings) Option[T] {
	return func(t *Topic[T]) { t.settings = s }
}

// New describes the topic name in stream, whose messages are encoded by codec.
// It panics when stream or name is not 1 to 255 bytes long or codec is nil,
// since topics are package-level values: such a fault is a fault of the program.
func New[T any](stream, name string, codec Codec[T], opts ...Option[T]) Topic[T] {
	t := Topic[T]{stream: stream, name: name, codec: codec}
	for _, opt := range opts {
		opt(&t)
	}
	if err := t.validate(); err != nil {
		panic(err)
	}
	return t
}

func (t Topic[T]) validate() error {
	if n := len(t.stream); n == 0 || n > 255 {
		return fmt.Errorf("topic: stream name %q: must have 1 to 255 bytes", t.stream)
	}
	if n := len(t.name); n == 0 || n > 255 {
		return fmt.Errorf("topic: name %q in stream %q: must have 1 to 255 bytes", t.name, t.stream)
	}
	if t.codec == nil {
		return fmt.Errorf("topic: %s/%s: no codec", t.stream, t.name)
	}
	return nil
}

// Stream is the name of the stream that holds the topic.
func (t Topic[T]) Stream() string { return t.stream }

// Name is the topic's name within its stream.
func (t Topic[T]) Name() string { return t.name }

// String is "stream/name".
func (t Topic[T]) String() string { return t.stream + "/" + t.name }

// Codec encodes and decodes the topic's messages.
func (t Topic[T]) Codec() Codec[T] { return t.codec }

// Settings are what the topic is created with.
func (t Topic[T]) Settings() Settings { return t.settings }

// KeyOf is the partition key of v; empty when there is none.
func (t Topic[T]) KeyOf(v T) string {
	if t.key == nil {
		return ""
	}
	return t.key(v)
}

// At is the same topic in another place, as configured: a stream or a name
// that is empty stays as it is. It panics like New.
func (t Topic[T]) At(stream, name string) Topic[T] {
	if stream != "" {
		t.stream = stream
	}
	if name != "" {
		t.name = name
	}
	if err := t.validate(); err != nil {
		panic(err)
	}
	return t
}

// KeyedBy is the same topic with another partition key for its messages; nil
// means none. Producers and consumers of one topic must agree on it: a
// producer stores messages of one key in one partition, in order, and a
// consumer, which finds the key anew in each message, handles them in order, one at a time. A
// producer's WithKey, for one message, is not known to the consumer.
func (t Topic[T]) KeyedBy(key func(T) string) Topic[T] {
	t.key = key
	return t
}

// With is the same topic with other settings.
func (t Topic[T]) With(s Settings) Topic[T] {
	t.settings = s
	return t
}
