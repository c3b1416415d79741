package topic

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// JSON returns the codec for a type that encoding/json can encode and decode. Decode ignores
// unknown fields. Its errors don't quote the payload; they wrap the error of encoding/json, which
// may. The name of the type in the message-type header is that of the Go type, unless TypeName sets
// another one.
func JSON[T any](opts ...JSONOption) Codec[T] {
	c := jsonCodec[T]{}
	if t := reflect.TypeFor[T](); t.Kind() != reflect.Interface {
		c.name = t.String()
	}
	for _, opt := range opts {
		opt(&c.jsonOptions)
	}
	return c
}

// JSONOption is an option of JSON.
type JSONOption func(*jsonOptions)

// TypeName sets the name of the type in the message-type header, shop.Order for example, in place of
// the Go type's name. Other services, and a renamed Go type, keep to it. It panics for a name that
// does not have 1 to 255 bytes.
func TypeName(name string) JSONOption {
	if n := len(name); n == 0 || n > maxTypeName {
		panic(fmt.Sprintf("topic: TypeName %q: must have 1 to %d bytes", name, maxTypeName))
	}
	return func(o *jsonOptions) { o.name = name }
}

// maxTypeName is the largest size of a message-type header in bytes.
const maxTypeName = 255

type jsonOptions struct {
	name string // of the type
}

type jsonCodec[T any] struct{ jsonOptions }

func (jsonCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return dst, fmt.Errorf("topic: encode %v: %w", reflect.TypeFor[T](), err)
	}
	return append(dst, b...), nil
}

func (jsonCodec[T]) Decode(payload []byte, _ Headers) (T, error) {
	var v T
	if err := json.Unmarshal(payload, &v); err != nil {
		return v, &jsonError{into: reflect.TypeFor[T](), err: err}
	}
	return v, nil
}

func (jsonCodec[T]) ContentType() string { return "application/json" }

func (c jsonCodec[T]) MessageType() string { return c.name }

// jsonError is why a payload could not be decoded. Its text quotes nothing of the payload.
type jsonError struct {
	into reflect.Type
	err  error
}

func (e *jsonError) Error() string {
	return fmt.Sprintf("topic: decode %v: %s", e.into, e.reason())
}

func (e *jsonError) Unwrap() error { return e.err }

func (e *jsonError) reason() string {
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(e.err, &syntax):
		return fmt.Sprintf("not JSON (byte %d)", syntax.Offset)
	case errors.As(e.err, &mismatch):
		// For a number, Value is "number" followed by its digits, which are not quoted.
		kind, _, _ := strings.Cut(mismatch.Value, " ")
		field := mismatch.Field
		if field != "" {
			field += ": "
		}
		return fmt.Sprintf("%sa JSON %s is no %v (byte %d)", field, kind, mismatch.Type, mismatch.Offset)
	}
	return fmt.Sprintf("refused with a %T", e.err)
}
