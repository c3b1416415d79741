package topic

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Codec turns messages into payloads and back. Implementations are safe for
// concurrent use.
type Codec[T any] interface {
	// Append appends v's encoding to dst and returns the longer slice.
	Append(dst []byte, v T) ([]byte, error)
	// Decode makes a message of a payload, which it must not keep: the bytes
	// may be used again after it returns.
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

// JSON is the codec for any type that encoding/json can encode and decode.
// Unknown fields are ignored when decoding.
func JSON[T any]() Codec[T] { return jsonCodec[T]{} }

type jsonCodec[T any] struct{}

func (jsonCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return dst, fmt.Errorf("topic: encode %T: %w", v, err)
	}
	return append(dst, b...), nil
}

func (jsonCodec[T]) Decode(payload []byte) (T, error) {
	var v T
	if err := json.Unmarshal(payload, &v); err != nil {
		return v, fmt.Errorf("topic: decode %T: %w", v, discreet(err))
	}
	return v, nil
}

// discreet hides what an error quotes of the payload, since errors are logged and
// payloads are not. The error itself stays reachable for errors.As.
func discreet(err error) error {
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return &discreetError{fmt.Sprintf("malformed JSON at byte %d", syntax.Offset), err}
	case errors.As(err, &mismatch):
		kind, _, _ := strings.Cut(mismatch.Value, " ") // "number 300": the number is the payload's
		return &discreetError{fmt.Sprintf("a JSON %s does not fit the field %q of type %s", kind, mismatch.Field, mismatch.Type), err}
	default:
		return &discreetError{fmt.Sprintf("the JSON does not fit (%T)", err), err}
	}
}

type discreetError struct {
	text string
	err  error
}

func (e *discreetError) Error() string { return e.text }
func (e *discreetError) Unwrap() error { return e.err }

func (jsonCodec[T]) ContentType() string { return "application/json" }

func (jsonCodec[T]) MessageType() string {
	var v T
	return fmt.Sprintf("%T", v)
}

// Bytes is the codec for payloads that are passed on as they are. What it
// decodes is a copy, so it may be kept and changed.
func Bytes() Codec[[]byte] { return bytesCodec{} }

type bytesCodec struct{}

func (bytesCodec) Append(dst []byte, v []byte) ([]byte, error) { return append(dst, v...), nil }
func (bytesCodec) Decode(payload []byte) ([]byte, error)       { return append([]byte(nil), payload...), nil }
func (bytesCodec) ContentType() string                         { return "application/octet-stream" }
func (bytesCodec) MessageType() string                         { return "" }
