package topic_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// event is what all messages of the topic events implement.
type event interface{ OrderID() string }

type orderPlaced struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
}

func (o orderPlaced) OrderID() string { return o.ID }

type orderPaid struct {
	ID    string `json:"id"`
	Cents int    `json:"cents"`
}

func (o *orderPaid) OrderID() string { return o.ID }

// plain events are texts.
type note string

func (n note) OrderID() string { return string(n) }

// noteCodec describes each note by a header of its own.
type noteCodec struct{}

func (noteCodec) Append(dst []byte, n note) ([]byte, error) { return append(dst, n...), nil }
func (noteCodec) Decode(b []byte, h topic.Headers) (note, error) {
	return note(string(b) + h.Get("mood")), nil
}
func (noteCodec) ContentType() string { return "unused" }
func (noteCodec) MessageType() string { return "note" }
func (noteCodec) Headers(n note) ([]topic.Header, error) {
	if n == "!" {
		return nil, errors.New("no mood")
	}
	return []topic.Header{{Key: "content-type", Value: "text/plain"}, {Key: "Message-Type", Value: "unused"}, {Key: "mood", Value: ":)"}}, nil
}

var events = topic.OneOf[event](
	topic.Type("order.placed", topic.JSON[orderPlaced]()),
	topic.Type("order.paid", topic.JSON[*orderPaid]()),
	topic.Type("", topic.Codec[note](noteCodec{})),
)

func headersOf[T any](t *testing.T, codec topic.Codec[T], v T) topic.Headers {
	t.Helper()
	headers, err := codec.(topic.HeaderEncoder[T]).Headers(v)
	require.NoError(t, err)
	return topic.HeadersOf(headers...)
}

func all(h topic.Headers) (text []string) {
	for header := range h.All() {
		text = append(text, header.Key+"="+header.Value)
	}
	return text
}

func TestOneOfRoundTrip(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		v       event
		payload string
		headers []string
		want    event
	}{
		"value":   {orderPlaced{"7", "ada"}, `{"id":"7","customer":"ada"}`, []string{"content-type=application/json", "message-type=order.placed"}, orderPlaced{"7", "ada"}},
		"pointer": {&orderPaid{"7", 250}, `{"id":"7","cents":250}`, []string{"content-type=application/json", "message-type=order.paid"}, &orderPaid{"7", 250}},
		"headers": {note("hi"), "hi", []string{"content-type=text/plain", "mood=:)", "message-type=note"}, note("hi:)")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload, err := events.Append([]byte("before"), tt.v)
			require.NoError(t, err)
			require.Equal(t, "before"+tt.payload, string(payload))
			headers := headersOf(t, events, tt.v)
			require.Equal(t, tt.headers, all(headers))
			got, err := events.Decode([]byte(tt.payload), headers)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
	require.Empty(t, events.ContentType())
	require.Empty(t, events.MessageType())
}

func TestOneOfWithProtobufAndAny(t *testing.T) {
	t.Parallel()
	codec := topic.OneOf[any](
		topic.Type("", topic.Proto[*wrapperspb.StringValue]()),
		topic.Type("raw", topic.Bytes()),
	)
	payload, err := codec.Append(nil, wrapperspb.String("x"))
	require.NoError(t, err)
	headers := headersOf[any](t, codec, wrapperspb.String("x"))
	require.Equal(t, "google.protobuf.StringValue", headers.Get("message-type"))
	got, err := codec.Decode(payload, headers)
	require.NoError(t, err)
	require.True(t, proto.Equal(wrapperspb.String("x"), got.(proto.Message)))
	got, err = codec.Decode([]byte{0xff}, topic.HeadersOf(topic.Header{Key: "MESSAGE-TYPE", Value: "raw"}))
	require.NoError(t, err)
	require.Equal(t, []byte{0xff}, got)
	_, err = codec.Decode([]byte{0xff}, headers)
	require.ErrorContains(t, err, "decode google.protobuf.StringValue")
}

func TestOneOfNamesUnknownTypes(t *testing.T) {
	t.Parallel()
	_, err := events.Decode([]byte("{}"), topic.HeadersOf(topic.Header{Key: "message-type", Value: "order.lost"}))
	require.ErrorIs(t, err, topic.ErrUnknownType)
	require.EqualError(t, err, `topic: unknown message type "order.lost": it must be one of order.placed, order.paid, note`)
	_, err = events.Decode([]byte("{}"), topic.Headers{})
	require.ErrorIs(t, err, topic.ErrUnknownType)
	require.ErrorContains(t, err, "no header message-type")

	for want, v := range map[string]event{"<nil>": nil, "topic_test.unlisted": unlisted{}} {
		_, err = events.Append(nil, v)
		require.ErrorIs(t, err, topic.ErrUnknownType)
		require.ErrorContains(t, err, want+" is not in topic.OneOf")
		_, err = events.(topic.HeaderEncoder[event]).Headers(v)
		require.ErrorIs(t, err, topic.ErrUnknownType)
	}
	_, err = events.(topic.HeaderEncoder[event]).Headers(note("!"))
	require.EqualError(t, err, "no mood")
}

type unlisted struct{ orderPlaced }

func TestOneOfRefusesFaultsOfTheProgram(t *testing.T) {
	t.Parallel()
	placed := topic.Type("order.placed", topic.JSON[orderPlaced]())
	for want, f := range map[string]func(){
		"no type is given":                       func() { topic.OneOf[event]() },
		"a type was not made by Type":            func() { topic.OneOf[event](topic.Variant{}) },
		"string can't be a topic_test.event":     func() { topic.OneOf[event](topic.Type("a", topic.JSON[string]())) },
		"orderPaid can't be a":                   func() { topic.OneOf[event](topic.Type("a", topic.JSON[orderPaid]())) }, // only its pointer can
		"topic_test.event can't be a":            func() { topic.OneOf[event](topic.Type("a", topic.JSON[event]())) },
		"topic_test.orderPlaced is given twice":  func() { topic.OneOf[event](placed, topic.Type("a", topic.JSON[orderPlaced]())) },
		`the name "order.placed" is given twice`: func() { topic.OneOf[event](placed, topic.Type("order.placed", topic.JSON[*orderPaid]())) },
		`Type "a": no codec`:                     func() { topic.Type[orderPlaced]("a", nil) },
		`the name "" must have 1 to 255 bytes`:   func() { topic.Type("", topic.Bytes()) },
		"must have 1 to 255 bytes":               func() { topic.Type(strings.Repeat("x", 256), topic.Bytes()) },
		"give OneOf to Encrypted":                func() { topic.Type("a", topic.Encrypted(topic.Bytes(), keyring(t, "a"), topic.OfficialFormat())) },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			defer func() { require.Contains(t, fmt.Sprint(recover()), want) }()
			f()
		})
	}
}

// The name of the type is authenticated: a payload can't be passed off as one of another type.
func TestEncryptedOneOf(t *testing.T) {
	t.Parallel()
	codec := topic.Encrypted(events, keyring(t, "a"))
	payload, err := codec.Append(nil, event(orderPlaced{"7", "ada"}))
	require.NoError(t, err)
	require.NotContains(t, string(payload), "ada")
	headers := headersOf(t, codec, event(orderPlaced{"7", "ada"}))
	require.Equal(t, []string{"message-type=order.placed", `content-type=application/vnd.iggy-client.encrypted; plain="application/json"`}, all(headers))
	got, err := codec.Decode(payload, headers)
	require.NoError(t, err)
	require.Equal(t, orderPlaced{"7", "ada"}, got)
	_, err = codec.Decode(payload, topic.HeadersOf(topic.Header{Key: "message-type", Value: "order.paid"}))
	require.ErrorIs(t, err, topic.ErrDecrypt)
	_, err = codec.(topic.HeaderEncoder[event]).Headers(nil)
	require.ErrorIs(t, err, topic.ErrUnknownType)
	_, err = codec.Append(nil, nil)
	require.ErrorIs(t, err, topic.ErrUnknownType)
}

// A topic may have messages of several types, told apart by the header message-type.
func ExampleOneOf() {
	events := topic.New("shop", "events", topic.OneOf[event](
		topic.Type("order.placed", topic.JSON[orderPlaced]()),
		topic.Type("order.paid", topic.JSON[*orderPaid]()),
	), topic.Key(event.OrderID))

	payload, _ := events.Codec().Append(nil, orderPlaced{ID: "7", Customer: "ada"})
	for _, name := range []string{"order.placed", "order.lost"} {
		v, err := events.Codec().Decode(payload, topic.HeadersOf(topic.Header{Key: topic.HeaderMessageType, Value: name}))
		switch v := v.(type) {
		case orderPlaced:
			fmt.Println("placed by", v.Customer)
		case *orderPaid:
			fmt.Println("paid", v.Cents)
		default:
			fmt.Println(err)
		}
	}
	// Output:
	// placed by ada
	// topic: unknown message type "order.lost": it must be one of order.placed, order.paid
}
