package topic

import "time"

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
	// Group is the consumer group that read the message, or the name of the standalone consumer.
	Group string
	// Timestamp is when the server stored the message, in UTC.
	Timestamp time.Time
}

// Failure is a message that could not be decoded, or whose handler failed at the last attempt. Dead
// letters are made from it.
type Failure[T any] struct {
	Origin Origin
	// Value is the message; it is valid only when Decoded is true.
	Value T
	// Decoded reports whether the payload could be decoded.
	Decoded bool
	// Payload is the message's payload as stored, decompressed where possible.
	Payload []byte
	// Headers are the message's user headers, without content-encoding when Payload is
	// decompressed.
	Headers []Header
	// Key is the message's partition key, empty when it has none or could not be decoded.
	Key string
	// Code is the failure code: CodeDecode, or what CodeOf returns for the handler's error.
	Code string
	// Err is the cause.
	Err error
	// Attempts is the number of deliveries to the handler; 0 when the message could not be decoded.
	Attempts int
}
