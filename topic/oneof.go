package topic

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// ErrUnknownType is returned for a message whose message-type is not among those of OneOf. Consumers
// treat such a message as one that cannot be decoded.
var ErrUnknownType = errors.New("topic: unknown message type")

// Variant is one type of the messages of a topic with several. Make one with Type.
type Variant struct {
	name   string
	typ    reflect.Type
	append func(dst []byte, v any) ([]byte, error)
	decode func(payload []byte, headers Headers) (any, error)
	header func(v any) ([]Header, error)
}

// Type returns the type V of messages that have the given name in the header message-type and are
// encoded by codec. The empty name means that of the codec, such as the full name of a protobuf
// message. Type panics when codec is nil, when the name does not have 1 to 255 bytes, and for a codec with
// OfficialFormat, which encrypts the name.
func Type[V any](name string, codec Codec[V]) Variant {
	if codec == nil {
		panic(fmt.Sprintf("topic: Type %q: no codec", name))
	}
	if _, ok := codec.(HeaderCipher); ok {
		panic(fmt.Sprintf("topic: Type %q: OfficialFormat encrypts all headers of a message: give OneOf to Encrypted", name))
	}
	if name == "" {
		name = codec.MessageType()
	}
	if n := len(name); n == 0 || n > maxTypeName {
		panic(fmt.Sprintf("topic: Type[%v]: the name %q must have 1 to %d bytes", reflect.TypeFor[V](), name, maxTypeName))
	}
	return Variant{
		name: name, typ: reflect.TypeFor[V](),
		append: func(dst []byte, v any) ([]byte, error) { return codec.Append(dst, v.(V)) },
		decode: func(payload []byte, headers Headers) (any, error) { return codec.Decode(payload, headers) },
		header: typedHeaders(name, codec),
	}
}

// typedHeaders returns the function that describes the messages of codec, with name as message-type.
func typedHeaders[V any](name string, codec Codec[V]) func(v any) ([]Header, error) {
	messageType := Header{Key: HeaderMessageType, Value: name}
	describe, ok := codec.(HeaderEncoder[V])
	if !ok {
		fixed := []Header{messageType}
		if contentType := codec.ContentType(); contentType != "" {
			fixed = []Header{{Key: HeaderContentType, Value: contentType}, messageType}
		}
		return func(any) ([]Header, error) { return fixed, nil }
	}
	return func(v any) ([]Header, error) {
		headers, err := describe.Headers(v.(V))
		if err != nil {
			return nil, err
		}
		return append(withoutHeader(headers, HeaderMessageType), messageType), nil
	}
}

// OneOf returns the codec of a topic whose messages have several types. T is an interface that all of
// them implement, or any. The type of a value chooses how it is encoded, and the header message-type
// how it is decoded:
//
//	var Events = topic.New("shop", "events", topic.OneOf[Event](
//		topic.Type("order.placed", topic.JSON[OrderPlaced]()),
//		topic.Type("order.shipped", topic.Proto[*shoppb.OrderShipped]()),
//	))
//
// A handler tells them apart by a type switch, or by consumer.Switch. A message of another type, or
// without the header, is one that can't be decoded: the error matches ErrUnknownType and names the
// type.
//
// OneOf panics when there is no type, when two have one name or one Go type, and when a type does not
// implement T: topics are package-level variables, so these are faults of the program.
func OneOf[T any](types ...Variant) Codec[T] {
	c := oneOf[T]{byType: map[reflect.Type]Variant{}, byName: map[string]Variant{}}
	interfaceType := reflect.TypeFor[T]()
	for _, v := range types {
		switch _, repeated := c.byType[v.typ]; {
		case v.typ == nil:
			panic(fmt.Sprintf("topic: OneOf[%v]: a type was not made by Type", interfaceType))
		case v.typ.Kind() == reflect.Interface || !v.typ.AssignableTo(interfaceType):
			panic(fmt.Sprintf("topic: OneOf[%v]: %v can't be a %v", interfaceType, v.typ, interfaceType))
		case repeated:
			panic(fmt.Sprintf("topic: OneOf[%v]: %v is given twice", interfaceType, v.typ))
		}
		if _, repeated := c.byName[v.name]; repeated {
			panic(fmt.Sprintf("topic: OneOf[%v]: the name %q is given twice", interfaceType, v.name))
		}
		c.byType[v.typ], c.byName[v.name] = v, v
		c.names = append(c.names, v.name)
	}
	if len(types) == 0 {
		panic(fmt.Sprintf("topic: OneOf[%v]: no type is given", interfaceType))
	}
	return c
}

type oneOf[T any] struct {
	byType map[reflect.Type]Variant
	byName map[string]Variant
	names  []string
}

// of returns the variant of a value.
func (c oneOf[T]) of(v T) (Variant, error) {
	variant, ok := c.byType[reflect.TypeOf(v)]
	if !ok {
		return Variant{}, fmt.Errorf("%w: %T is not in topic.OneOf", ErrUnknownType, v)
	}
	return variant, nil
}

func (c oneOf[T]) Append(dst []byte, v T) ([]byte, error) {
	variant, err := c.of(v)
	if err != nil {
		return dst, err
	}
	return variant.append(dst, v)
}

func (c oneOf[T]) Decode(payload []byte, headers Headers) (v T, err error) {
	name := headers.Get(HeaderMessageType)
	variant, ok := c.byName[name]
	switch {
	case name == "":
		return v, fmt.Errorf("%w: there is no header %s, it must be one of %s", ErrUnknownType, HeaderMessageType, strings.Join(c.names, ", "))
	case !ok:
		return v, fmt.Errorf("%w %q: it must be one of %s", ErrUnknownType, name, strings.Join(c.names, ", "))
	}
	decoded, err := variant.decode(payload, headers)
	if err != nil {
		return v, err
	}
	return decoded.(T), nil
}

// Headers implements HeaderEncoder.
func (c oneOf[T]) Headers(v T) ([]Header, error) {
	variant, err := c.of(v)
	if err != nil {
		return nil, err
	}
	return variant.header(v)
}

// typeName implements typeNamer.
func (c oneOf[T]) typeName(v T) string { return c.byType[reflect.TypeOf(v)].name }

func (oneOf[T]) ContentType() string { return "" }
func (oneOf[T]) MessageType() string { return "" }
