package consumer_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// storedMessage is a message in the form that DecodeRaw gets.
func storedMessage(e *testEnv, offset uint64, id byte, payload, headers []byte) topic.RawMessage {
	return topic.RawMessage{
		Stream: e.stream, Topic: "t", Partition: 1, Offset: offset, ID: [16]byte{id},
		OriginTimestamp: time.UnixMicro(int64(id)).UTC(), Payload: payload, Headers: headers,
	}
}

// A dead letter needs the message as it is stored, whatever can be decoded of it.
func TestFailureHasTheMessageAsItIsStored(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	e.topic = e.topic.With(topic.StoreKey[string]())
	packed, err := encoding.Append(nil, "gzip", []byte("k/text"))
	require.NoError(t, err)
	number := []byte{2, 1, 0, 0, 0, 'n', 6, 4, 0, 0, 0, 1, 2, 3, 4}
	sent := []topic.RawMessage{
		storedMessage(e, 0, 1, packed, append(wire.AppendHeader(nil, "content-encoding", "gzip"), number...)),
		storedMessage(e, 1, 2, []byte("no gzip"), wire.AppendHeader(wire.AppendHeader(nil, "content-encoding", "gzip"), "partition-key", "stored")),
		storedMessage(e, 2, 3, []byte("!"), append(bytes.Clone(number), 99)),
	}
	sent[0].Key, sent[1].Key = "k", "stored"
	var b wire.Batch
	for _, m := range sent {
		b.Append(m.ID, uint64(m.OriginTimestamp.UnixMicro()), m.Payload, m.Headers)
	}
	e.sendBatch(1, &b)
	letters := make(chan topic.Failure[string], 10)
	c := e.consumer(fastConfig())
	require.NoError(t, c.SetDeadLetters(deadLetterFunc(func(_ context.Context, f topic.Failure[string]) error {
		letters <- f
		return nil
	})))
	require.NoError(t, c.Handle(func(context.Context, *consumer.Message[string]) error { return consumer.Permanent(errors.New("no")) }))
	start(t, c)
	defer stop(t, c)
	for range sent {
		f := received(t, "a dead letter", letters)
		want := sent[f.Origin.Offset]
		require.Equal(t, want.Key, f.Key)
		require.Equal(t, f.Origin.Timestamp, f.Raw.Timestamp)
		f.Raw.Timestamp = time.Time{}
		require.Equal(t, want, f.Raw)
	}
}

// With topic.StoreKey, messages of one key are handled one at a time and in order, also when the key
// is that of producer.WithKey.
func TestStoredKeysAreThoseOfTheConsumer(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.topic = e.topic.With(topic.StoreKey[string]())
	var b wire.Batch
	b.Append([16]byte{1}, 1, []byte("a/1"), wire.AppendHeader(nil, "partition-key", "x"))
	b.Append([16]byte{2}, 1, []byte("b/2"), wire.AppendHeader(nil, "partition-key", "x"))
	b.Append([16]byte{3}, 1, []byte("c/3"), nil)
	e.sendBatch(0, &b)
	c := e.consumer(fastConfig())
	start(t, c)
	defer stop(t, c)
	first, err := c.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, "a/1 x", first.Value+" "+first.Key())
	other, err := c.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, "c/3 c", other.Value+" "+other.Key(), "b/2 waits behind a/1")
	first.Ack()
	second, err := c.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, "b/2 x", second.Value+" "+second.Key())
	second.Ack()
	other.Ack()
}

// rawCodec decodes messages as a whole.
type rawCodec struct{ topic.Codec[topic.RawMessage] }

func (rawCodec) DecodeRaw(m topic.RawMessage) (topic.RawMessage, error) {
	m.Payload, m.Headers = bytes.Clone(m.Payload), bytes.Clone(m.Headers)
	return m, nil
}

func TestRawDecoderGetsTheMessageAsItIsStored(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	want := storedMessage(e, 0, 1, []byte("no gzip"), wire.AppendHeader(nil, "content-encoding", "gzip"))
	var b wire.Batch
	b.Append(want.ID, uint64(want.OriginTimestamp.UnixMicro()), want.Payload, want.Headers)
	e.sendBatch(1, &b)
	c, err := consumer.New(e.iggy, fastConfig(), topic.New(e.stream, "t", topic.Codec[topic.RawMessage](rawCodec{})))
	require.NoError(t, err)
	start(t, c)
	defer stop(t, c)
	m, err := c.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, m.Timestamp(), m.Value.Timestamp)
	m.Value.Timestamp = time.Time{}
	require.Equal(t, want, m.Value)
	m.Ack()
}
