package topic

import "time"

// Header is one user header of a message. Keys and values have 1 to 255 bytes;
// all headers of a message together at most 100,000 bytes encoded. Values of
// other kinds than text, as other clients may write them, are shown in their
// usual text form.
type Header struct {
	Key, Value string
}

// The headers that this library writes and reads, lower case like all headers.
const (
	// HeaderContentType is the media type of the payload.
	HeaderContentType = "content-type"
	// HeaderContentEncoding is how the payload was compressed.
	HeaderContentEncoding = "content-encoding"
	// HeaderMessageType is the type of the message, a protobuf full name for example.
	HeaderMessageType = "message-type"
	// HeaderTraceParent is the W3C trace context.
	HeaderTraceParent = "traceparent"
	// HeaderTraceState is the vendors' part of the W3C trace context.
	HeaderTraceState = "tracestate"
)

// Origin tells where a message was read.
type Origin struct {
	Stream, Topic string
	Partition     uint32
	Offset        uint64
	// ID is the message's 16 bytes of id, a UUIDv7 when this library wrote it.
	ID [16]byte
	// Group is the consumer group that read it, or the name of the
	// standalone consumer.
	Group string
	// Timestamp is when the server stored it, in UTC.
	Timestamp time.Time
}

// Failure is a message that was given up: it could not be decoded, or its
// handler failed for good. It is what dead letters are made of.
type Failure[T any] struct {
	Origin Origin
	// Value is the message; only when Decoded.
	Value T
	// Decoded tells whether the payload could be decoded.
	Decoded bool
	// Payload is the message's payload as stored, decompressed where possible.
	Payload []byte
	// Headers are the message's user headers, without its content-encoding when
	// Payload is decompressed: they describe Payload.
	Headers []Header
	// Key is the partition key that the message has, empty when it has none or
	// could not be decoded.
	Key string
	// Code classifies the cause: VALIDATION_DECODE, SYSTEM_PANIC, HANDLER_ERROR
	// or what the handler's error says (see CodeOf).
	Code string
	// Err is the cause.
	Err error
	// Attempts is how often the message was delivered to the handler; 0 when it
	// could not be decoded.
	Attempts int
}
