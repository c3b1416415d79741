package topic

import (
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Codec turns messages into payloads and back. Implementations are safe for
// concurrent use.
type Codec[T any] interface {
	// Append appends v's encoding to dst and returns the longer slice. Encrypted
	// refuses a codec that leaves out what was in dst.
	Append(dst []byte, v T) ([]byte, error)
	// Decode makes a message of a payload, which it must not keep: a consumer
	// uses the memory again for other messages once the message is settled. A codec
	// whose messages refer to the payload all the same passes that condition on to
	// the handlers.
	Decode(payload []byte) (T, error)
	// ContentType is the media type written to the content-type header.
	ContentType() string
	// MessageType names the type of the messages in the message-type header;
	// empty writes none.
	MessageType() string
}

// Proto is the codec for a protobuf message type, a pointer such as
// *jobspb.DownloadTask. The encoding is deterministic for one build of a
// program; unknown fields survive a round trip.
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

func (c protoCodec[T]) Decode(payload []byte) (T, error) {
	v := c.descriptor.New().Interface().(T)
	if err := proto.Unmarshal(payload, v); err != nil {
		var zero T
		return zero, fmt.Errorf("topic: decode %s: %w", c.name, err)
	}
	return v, nil
}

func (c protoCodec[T]) ContentType() string { return "application/x-protobuf" }
func (c protoCodec[T]) MessageType() string { return c.name }

// Bytes is the codec for payloads that are passed on as they are. What it
// decodes is a copy, so it may be kept and changed.
func Bytes() Codec[[]byte] { return bytesCodec{} }

type bytesCodec struct{}

func (bytesCodec) Append(dst []byte, v []byte) ([]byte, error) { return append(dst, v...), nil }
func (bytesCodec) Decode(payload []byte) ([]byte, error)       { return append([]byte(nil), payload...), nil }
func (bytesCodec) ContentType() string                         { return "application/octet-stream" }
func (bytesCodec) MessageType() string                         { return "" }
