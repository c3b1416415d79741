package topic_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

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
		out, err := codec.Decode(payload[len(prefix):], topic.Headers{})
		require.NoError(t, err)
		require.True(t, proto.Equal(in, out))
	})
	_, err := codec.Append(nil, nil)
	require.ErrorContains(t, err, "nil google.protobuf.StringValue")
	_, err = codec.Decode([]byte{0xff}, topic.Headers{})
	require.ErrorContains(t, err, "google.protobuf.StringValue")
}

func TestBytesDecodesACopy(t *testing.T) {
	t.Parallel()
	payload := []byte("abc")
	out, err := topic.Bytes().Decode(payload, topic.Headers{})
	require.NoError(t, err)
	payload[0] = 'x'
	require.Equal(t, "abc", string(out))
}
