package topic

import (
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Codec encodes messages as payloads and decodes them. Implementations are safe for concurrent use.
type Codec[T any] interface {
	// Append appends the encoding of v to dst and returns the extended slice. Encrypted returns an
	// error for a codec that returns a slice without dst at its beginning.
	Append(dst []byte, v T) ([]byte, error)
	// Decode decodes a payload; headers are those of its message. The message must not refer to the
	// payload's memory: a consumer reuses it after the message is settled. A codec whose messages do
	// refer to it must tell its users that handlers may not keep them.
	Decode(payload []byte, headers Headers) (T, error)
	// ContentType returns the media type for the content-type header; "" means no header.
	ContentType() string
	// MessageType returns the name of the type for the message-type header; "" means no header.
	MessageType() string
}

// HeaderEncoder is implemented by codecs that describe each message by headers of its own, OneOf for
// example. A publisher adds them in place of those that ContentType and MessageType name.
type HeaderEncoder[T any] interface {
	// Headers returns the headers of v. Nobody changes the slice.
	Headers(v T) ([]Header, error)
}

// Proto returns the codec for a protobuf message type, a pointer such as *shoppb.Order. The
// encoding is deterministic for one build of a program. Unknown fields survive a round trip.
func Proto[T proto.Message]() Codec[T] {
	var zero T
	typ := reflect.TypeOf(zero)
	if typ == nil || typ.Kind() != reflect.Pointer {
		panic(fmt.Sprintf("topic: Proto[%T]: must be a pointer to a generated message", zero))
	}
	return protoCodec[T]{descriptor: zero.ProtoReflect().Type(), name: string(zero.ProtoReflect().Descriptor().FullName())}
}

type protoCodec[T proto.Message] struct {
	descriptor protoreflect.MessageType
	name       string
}

func (c protoCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	if !v.ProtoReflect().IsValid() {
		return dst, fmt.Errorf("topic: nil %s", c.name)
	}
	return proto.MarshalOptions{Deterministic: true}.MarshalAppend(dst, v)
}

func (c protoCodec[T]) Decode(payload []byte, _ Headers) (T, error) {
	v := c.descriptor.New().Interface().(T)
	if err := proto.Unmarshal(payload, v); err != nil {
		var zero T
		return zero, fmt.Errorf("topic: decode %s: %w", c.name, err)
	}
	return v, nil
}

func (c protoCodec[T]) ContentType() string { return "application/x-protobuf" }
func (c protoCodec[T]) MessageType() string { return c.name }

// Bytes returns the codec for messages that are their own payloads. Decode returns a copy, so
// handlers may keep and change it.
func Bytes() Codec[[]byte] { return bytesCodec{} }

type bytesCodec struct{}

func (bytesCodec) Append(dst []byte, v []byte) ([]byte, error) { return append(dst, v...), nil }
func (bytesCodec) ContentType() string                         { return "application/octet-stream" }
func (bytesCodec) MessageType() string                         { return "" }

func (bytesCodec) Decode(payload []byte, _ Headers) ([]byte, error) {
	return append([]byte(nil), payload...), nil
}
