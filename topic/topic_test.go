package topic_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

type order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
}

func ExampleNew() {
	orders := topic.New("shop", "orders", topic.JSON[order](),
		topic.Key(func(o order) string { return o.Customer }),
		topic.WithSettings[order](topic.Settings{Partitions: 4, Retention: 7 * 24 * time.Hour}))
	payload, _ := orders.Codec().Append(nil, order{ID: "7", Customer: "ada"})
	fmt.Println(orders, orders.KeyOf(order{Customer: "ada"}), string(payload))
	// Output: shop/orders ada {"id":"7","customer":"ada"}
}

func TestNewPanicsOnAFaultOfTheProgram(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	for name, make := range map[string]func(){
		"no stream":        func() { topic.New("", "t", topic.Bytes()) },
		"no name":          func() { topic.New("s", "", topic.Bytes()) },
		"long stream":      func() { topic.New(long, "t", topic.Bytes()) },
		"long name":        func() { topic.New("s", long, topic.Bytes()) },
		"no codec":         func() { topic.New[[]byte]("s", "t", nil) },
		"moved too far":    func() { topic.New("s", "t", topic.Bytes()).At("", long) },
		"proto of a value": func() { topic.Proto[proto.Message]() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Panics(t, make)
		})
	}
}

func TestAtAndWithLeaveTheOriginalAlone(t *testing.T) {
	t.Parallel()
	original := topic.New("s", "t", topic.Bytes())
	moved := original.At("other", "").With(topic.Settings{Partitions: 3})
	require.Equal(t, "other/t", moved.String())
	require.EqualValues(t, 3, moved.Settings().Partitions)
	require.Equal(t, "s/t", original.String())
	require.Zero(t, original.Settings())
	require.Empty(t, original.KeyOf([]byte("x")), "no key function")
}

func TestProtoRoundTrip(t *testing.T) {
	t.Parallel()
	codec := topic.Proto[*wrapperspb.StringValue]()
	require.Equal(t, "application/x-protobuf", codec.ContentType())
	require.Equal(t, "google.protobuf.StringValue", codec.MessageType())
	rapid.Check(t, func(t *rapid.T) {
		in := wrapperspb.String(rapid.String().Draw(t, "value"))
		prefix := rapid.SliceOf(rapid.Byte()).Draw(t, "prefix")
		payload, err := codec.Append(prefix, in)
		require.NoError(t, err)
		require.Equal(t, prefix, payload[:len(prefix):len(prefix)])
		out, err := codec.Decode(payload[len(prefix):])
		require.NoError(t, err)
		require.True(t, proto.Equal(in, out))
	})
	_, err := codec.Append(nil, nil)
	require.ErrorContains(t, err, "nil google.protobuf.StringValue")
	_, err = codec.Decode([]byte{0xff})
	require.ErrorContains(t, err, "google.protobuf.StringValue")
}

func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	codec := topic.JSON[order]()
	payload, err := codec.Append([]byte("x"), order{ID: "1"})
	require.NoError(t, err)
	require.Equal(t, `x{"id":"1","customer":""}`, string(payload))
	out, err := codec.Decode(payload[1:])
	require.NoError(t, err)
	require.Equal(t, order{ID: "1"}, out)
	_, err = codec.Decode([]byte("{"))
	require.Error(t, err)
	require.Equal(t, "application/json", codec.ContentType())

	_, err = topic.JSON[func()]().Append(nil, func() {})
	require.Error(t, err)
}

func TestBytesDecodesACopy(t *testing.T) {
	t.Parallel()
	payload := []byte("abc")
	out, err := topic.Bytes().Decode(payload)
	require.NoError(t, err)
	payload[0] = 'x'
	require.Equal(t, "abc", string(out))
}

type coded string

func (c coded) Error() string       { return "coded" }
func (c coded) FailureCode() string { return string(c) }

func TestCodeOf(t *testing.T) {
	t.Parallel()
	require.Equal(t, "DOWNLOAD_HTTP_4XX", topic.CodeOf(fmt.Errorf("x: %w", coded("DOWNLOAD_HTTP_4XX"))))
	require.Equal(t, topic.CodeHandler, topic.CodeOf(coded("")))
	require.Equal(t, topic.CodeHandler, topic.CodeOf(errors.New("x")))
	require.Equal(t, topic.CodePanic, topic.CodeOf(fmt.Errorf("x: %w", &iggyerr.PanicError{Value: 1})))
}
