package topic

import (
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// RetentionForever is the retention of a topic whose messages never expire.
const RetentionForever = time.Duration(config.RetentionForever)

// Settings are the properties with which a topic is created.
type Settings struct {
	// Partitions is the number of partitions, 1 to 1,000; 0 means 1.
	Partitions uint32
	// Retention is how long messages are kept; 0 means the server's default, and RetentionForever
	// means for ever. It has an effect only when the server's cleaner of messages is on.
	Retention time.Duration
	// MaxSize is the largest size of the topic; 0 means the server's default. The server refuses
	// one below its segment size, which is 1 GiB by default.
	MaxSize uint64
}

// Topic describes the topic that holds messages of type T: its place, codec, key and settings. It
// is an immutable value, cheap to copy and safe for concurrent use. Make one with New.
type Topic[T any] struct {
	stream, name string
	codec        Codec[T]
	key          func(T) string
	settings     Settings
	section      string // empty means one after the name
	storesKeys   bool

	compression        config.Compression
	compressionMinSize config.Bytes
}

// Option sets a property of a Topic in New or With.
type Option[T any] func(*Topic[T])

// Key sets the function that returns a message's partition key. Messages of one key are stored in
// one partition, in the order in which they are sent. With an empty key, and without this option or
// with a nil function, the producer chooses the partition. A key has at most 255 bytes.
//
// The key is not stored with the message, unless StoreKey says so. A consumer calls the function
// again, and handles messages of one key in order and one at a time. So producers and consumers of a
// topic need the same function, which they have when they share one Topic. The key that
// producer.WithKey gives to one message is not known to consumers.
func Key[T any](key func(T) string) Option[T] {
	return func(t *Topic[T]) { t.key = key }
}

// StoreKey has publishers store the key by which the partition of a message was chosen, that of
// producer.WithKey included, in the header partition-key. Consumers use it in place of the key
// function, also for messages that they can't decode. A dead letter that is replayed goes to the
// partition of that key, also when the topic has another number of partitions by then. A message
// without a key, or for an explicit partition, has no such header.
func StoreKey[T any]() Option[T] {
	return func(t *Topic[T]) { t.storesKeys = true }
}

// WithSettings sets the settings that the topic is created with when it is missing.
func WithSettings[T any](s Settings) Option[T] {
	return func(t *Topic[T]) { t.settings = s }
}

// New returns the topic name of stream, with messages that codec encodes. It panics when stream or
// name does not have 1 to 255 bytes, or codec or an option is nil: topics are package-level
// variables, so these are faults of the program.
func New[T any](stream, name string, codec Codec[T], opts ...Option[T]) Topic[T] {
	defaults := config.DefaultTopic(stream, name)
	t := Topic[T]{
		stream: stream, name: name, codec: codec,
		compression: defaults.Compression, compressionMinSize: defaults.CompressionMinSize,
	}.With(opts...)
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

// Stream returns the name of the stream that holds the topic.
func (t Topic[T]) Stream() string { return t.stream }

// Name returns the topic's name within its stream.
func (t Topic[T]) Name() string { return t.name }

// String returns "stream/name".
func (t Topic[T]) String() string { return t.stream + "/" + t.name }

// Codec returns the codec of the topic's messages.
func (t Topic[T]) Codec() Codec[T] { return t.codec }

// Settings returns the settings that the topic is created with.
func (t Topic[T]) Settings() Settings { return t.settings }

// KeyOf returns the partition key of v, or "" when it has none.
func (t Topic[T]) KeyOf(v T) string {
	if t.key == nil {
		return ""
	}
	return t.key(v)
}

// StoresKeys reports whether publishers store the keys of messages; see StoreKey.
func (t Topic[T]) StoresKeys() bool { return t.storesKeys }

// At returns a copy of the topic with another stream and name. An empty one stays as it is. It
// panics like New.
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

// With returns a copy of the topic with opts applied to it. It panics like New when one is nil.
func (t Topic[T]) With(opts ...Option[T]) Topic[T] {
	for i, opt := range opts {
		if opt == nil {
			panic(fmt.Errorf("topic: %s/%s: option %d of %d is nil", t.stream, t.name, i+1, len(opts)))
		}
		opt(&t)
	}
	return t
}
