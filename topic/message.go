package topic

import (
	"context"
	"time"
)

// Header is a user header of a message. Keys and values have 1 to 255 bytes; all headers of a
// message together have at most 100,000 bytes encoded. Values of other kinds than text, which other
// clients may write, are converted to text.
type Header struct {
	Key, Value string
}

// The headers that this library writes and reads.
const (
	// HeaderContentType is the media type of the payload.
	HeaderContentType = "content-type"
	// HeaderContentEncoding is the compression of the payload.
	HeaderContentEncoding = "content-encoding"
	// HeaderMessageType is the type of the message, a protobuf full name for example.
	HeaderMessageType = "message-type"
	// HeaderPartitionKey is the partition key of a message whose topic stores keys; see StoreKey.
	HeaderPartitionKey = "partition-key"
	// HeaderReplayOf is the dead letter from which a message was published again, as
	// TOPIC/PARTITION/OFFSET; its topic is in the stream of the message.
	HeaderReplayOf = "replay-of"
	// HeaderTraceParent is the W3C trace context.
	HeaderTraceParent = "traceparent"
	// HeaderTraceState is the vendors' part of the W3C trace context.
	HeaderTraceState = "tracestate"
)

// Origin is the place from which a message was read.
type Origin struct {
	Stream, Topic string
	Partition     uint32
	Offset        uint64
	// ID is the message's id, a UUIDv7 when this library wrote it.
	ID [16]byte
	// Group is the consumer group that read the message, or the name of the standalone consumer; empty
	// for one without a name.
	Group string
	// Timestamp is when the server stored the message, in UTC.
	Timestamp time.Time
}

// RawMessage is a message in the form in which a server stores it: no codec and no compression has
// changed its payload, and its user headers are encoded. Consumers read it, and Producer.SendRaw
// sends it to a topic.
type RawMessage struct {
	// Stream and Topic are the topic that holds the message, or to which it is sent.
	Stream, Topic string
	// Partition is the partition that holds the message, or to which it is sent unless ByKey is set.
	Partition uint32
	// Key is the partition key, empty when the message has none or it is not known.
	Key string
	// ByKey has Key choose the partition to which the message is sent; an empty one leaves the choice
	// to the producer.
	ByKey bool
	// Offset is where the message is in its partition, and Timestamp is when the server stored it, in
	// UTC. The server sets both.
	Offset    uint64
	Timestamp time.Time
	// OriginTimestamp is when the message was created, by the clock of its sender, in UTC; zero means
	// the time of SendRaw.
	OriginTimestamp time.Time
	// ID is the message's id.
	ID [16]byte
	// Payload is the payload as it is stored, compressed or encrypted for example.
	Payload []byte
	// Headers are the user headers in their encoded form.
	Headers []byte
}

// RawSender sends messages byte for byte. *producer.Producer implements it.
type RawSender interface {
	// SendRaw returns nil only when the message was confirmed. It must return when ctx ends.
	SendRaw(ctx context.Context, m RawMessage) error
}

// RawDecoder is implemented by codecs that decode the whole message as it is stored, whatever its
// content-encoding. A consumer calls DecodeRaw in place of Decode. As with Decode, the result must
// not refer to the memory of the message.
type RawDecoder[T any] interface {
	DecodeRaw(m RawMessage) (T, error)
}

// Failure is a message that could not be decoded, or whose handler failed at the last attempt. Dead
// letters are made from it.
type Failure[T any] struct {
	Origin Origin
	// Value is the message; it is valid only when Decoded is true.
	Value T
	// Decoded reports whether the payload could be decoded.
	Decoded bool
	// Raw is the message as it is stored, with its key.
	Raw RawMessage
	// Payload is the message's payload, decompressed where possible.
	Payload []byte
	// Headers are the message's user headers, without content-encoding when Payload is
	// decompressed.
	Headers []Header
	// Key is the message's partition key. It is empty when the message has none, and when it could
	// not be decoded and its topic stores no keys.
	Key string
	// Code is the failure code: CodeDecode, or what CodeOf returns for the handler's error.
	Code string
	// Err is the cause.
	Err error
	// Attempts is the number of deliveries to the handler; 0 when the message could not be decoded.
	Attempts int
}
