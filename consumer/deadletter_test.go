package consumer_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// The headers of what was given up describe the payload that is given with them,
// so that it can be put back as it was.
func TestHeadersOfALetterDescribeItsPayload(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	packed, err := encoding.Append(nil, "gzip", []byte("!garbage"))
	require.NoError(t, err)
	headersOf := func(encoding string) []byte {
		return wire.AppendHeader(wire.AppendHeader(nil, "content-encoding", encoding), "message-type", "m")
	}
	var b wire.Batch
	b.Append([16]byte{1}, 1, packed, headersOf("gzip"))
	b.Append([16]byte{2}, 1, []byte("!garbage"), headersOf("br"))
	r.sendBatch(0, &b)
	letters := make(chan topic.Failure[string], 10)
	c := r.consumer(quick())
	require.NoError(t, c.SetDeadLetters(letterBox(func(_ context.Context, f topic.Failure[string]) error {
		letters <- f
		return nil
	})))
	require.NoError(t, c.Handle(func(context.Context, *consumer.Message[string]) error { return nil }))
	start(t, c)
	defer stop(t, c)
	got := map[byte]topic.Failure[string]{}
	for len(got) < 2 {
		f := received(t, "a dead letter", letters)
		got[f.Origin.ID[0]] = f
	}
	require.Equal(t, "!garbage", string(got[1].Payload))
	require.Equal(t, []topic.Header{{Key: "message-type", Value: "m"}}, got[1].Headers, "it is not compressed any more")
	require.Equal(t, []topic.Header{{Key: "content-encoding", Value: "br"}, {Key: "message-type", Value: "m"}}, got[2].Headers)
}
