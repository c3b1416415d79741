package deadletter_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

var (
	orders  = topic.New("shop", "orders", topic.Bytes())
	letters = deadletter.TopicOf(orders, config.DefaultConsumer("billing"))
	origin  = topic.Origin{
		Stream: "shop", Topic: "orders", Partition: 3, Offset: 42,
		ID: [16]byte{0x01, 0x92, 0xf0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}, Group: "billing",
		Timestamp: time.Date(2026, 3, 1, 12, 0, 0, 1000, time.UTC),
	}
	created = time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)
)

// sent keeps what is sent.
type sent []topic.RawMessage

func (s *sent) SendRaw(_ context.Context, m topic.RawMessage) error {
	*s = append(*s, m)
	return nil
}

func (s *sent) last() topic.RawMessage { return (*s)[len(*s)-1] }

// failureOf is the failure of a message with that payload and those encoded headers.
func failureOf(payload, headers []byte) topic.Failure[[]byte] {
	return topic.Failure[[]byte]{
		Origin: origin, Code: "PAYMENT_REFUSED", Err: errors.New("no money"), Attempts: 5, Key: "acme",
		Raw: topic.RawMessage{
			Stream: origin.Stream, Topic: origin.Topic, Partition: origin.Partition, Offset: origin.Offset, Timestamp: origin.Timestamp,
			OriginTimestamp: created, ID: origin.ID, Key: "acme", Payload: payload, Headers: headers,
		},
	}
}

// write returns the dead letter of a failure as it is stored at offset 12 of partition 1.
func write(t require.TestingT, f topic.Failure[[]byte]) topic.RawMessage {
	var s sent
	require.NoError(t, deadletter.New[[]byte](&s, letters).DeadLetter(context.Background(), f))
	m := s.last()
	m.Partition, m.Offset = 1, 12
	return m
}

func read(m topic.RawMessage) (deadletter.Letter, error) {
	return letters.Codec().(topic.RawDecoder[deadletter.Letter]).DecodeRaw(m)
}

func headersOf(encoded []byte) (headers []topic.Header) {
	_ = wire.RangeHeaders(encoded, func(key, value string) bool {
		headers = append(headers, topic.Header{Key: key, Value: value})
		return true
	})
	return headers
}

func encoded(headers ...string) (b []byte) {
	for i := 0; i < len(headers); i += 2 {
		b = wire.AppendHeader(b, headers[i], headers[i+1])
	}
	return b
}

func TestDeadLetterHasItsOriginAndFailure(t *testing.T) {
	t.Parallel()
	own := encoded("tenant", "a", "content-type", "text/plain", "traceparent", "00-1-2-01")
	before := time.Now()
	m := write(t, failureOf([]byte("payload"), own))
	require.Equal(t, "shop/orders.billing.dlq", m.Stream+"/"+m.Topic)
	require.Equal(t, origin.ID, m.ID)
	require.Equal(t, "acme", m.Key)
	require.True(t, m.ByKey)
	require.Equal(t, created, m.OriginTimestamp)
	require.Equal(t, "payload", string(m.Payload))
	require.True(t, bytes.HasSuffix(m.Headers, own))
	got := headersOf(m.Headers)
	failed := slices.IndexFunc(got, func(h topic.Header) bool { return h.Key == "failure-timestamp" })
	at, err := time.Parse(time.RFC3339Nano, got[failed].Value)
	require.NoError(t, err)
	require.WithinRange(t, at, before, time.Now())
	require.Equal(t, []topic.Header{
		{Key: "origin-stream", Value: "shop"},
		{Key: "origin-topic", Value: "orders"},
		{Key: "origin-partition", Value: "3"},
		{Key: "origin-offset", Value: "42"},
		{Key: "origin-id", Value: "0192f000-0000-7000-8000-000000000001"},
		{Key: "origin-group", Value: "billing"},
		{Key: "origin-timestamp", Value: "2026-03-01T12:00:00.000001Z"},
		{Key: "origin-key", Value: "acme"},
		{Key: "failure-code", Value: "PAYMENT_REFUSED"},
		{Key: "failure-cause", Value: "no money"},
		{Key: "failure-attempts", Value: "5"},
		{Key: "tenant", Value: "a"},
		{Key: "content-type", Value: "text/plain"},
		{Key: "traceparent", Value: "00-1-2-01"},
	}, slices.Delete(got, failed, failed+1))

	l, err := read(m)
	require.NoError(t, err)
	require.WithinRange(t, l.FailedAt, before, time.Now())
	l.FailedAt = time.Time{}
	want := failureOf([]byte("payload"), own).Raw
	require.Equal(t, deadletter.Letter{
		Origin: origin, Code: "PAYMENT_REFUSED", Cause: "no money", Attempts: 5, Message: want, Position: "orders.billing.dlq/1/12",
	}, l)
	found, ok := deadletter.OriginOf(headersOf(m.Headers))
	require.True(t, ok)
	require.Equal(t, origin, found)
}

// Whatever a message holds, its dead letter holds byte for byte: headers of other kinds than text,
// malformed ones, and those of a dead letter.
func TestDeadLetterKeepsTheMessageByteForByte(t *testing.T) {
	t.Parallel()
	number := []byte{2, 1, 0, 0, 0, 'n', 6, 4, 0, 0, 0, 1, 2, 3, 4}
	for name, own := range map[string][]byte{
		"none":            nil,
		"a number":        number,
		"malformed":       append(encoded("a", "b"), 99, 1),
		"its own names":   encoded("origin-key", "k", "failure-attempts", "9", "origin-stream", "s", "replay-of", "x/0/1"),
		"malformed first": {1},
		"a dead letter":   write(t, failureOf([]byte("inner"), number)).Headers,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := failureOf([]byte{0, 0xff}, own)
			f.Key, f.Err, f.Origin.Timestamp = "", nil, time.Time{} // headers without a value are left out
			l, err := read(write(t, f))
			require.NoError(t, err)
			require.Equal(t, []byte{0, 0xff}, l.Message.Payload)
			require.Equal(t, string(own), string(l.Message.Headers))
			require.Empty(t, l.Incomplete)
			require.Equal(t, topic.CodeHandler, codeOf(f))
		})
	}
}

func codeOf(f topic.Failure[[]byte]) string {
	f.Code = ""
	for _, h := range deadletter.Headers(f, created) {
		if h.Key == "failure-code" {
			return h.Value
		}
	}
	return ""
}

// A dead letter that another program has copied is read also with its headers in another order.
func TestDeadLetterWithItsHeadersInAnotherOrder(t *testing.T) {
	t.Parallel()
	for name, reorder := range map[string]func([]topic.Header){
		"reversed": slices.Reverse[[]topic.Header],
		"sorted": func(all []topic.Header) {
			slices.SortFunc(all, func(a, b topic.Header) int { return strings.Compare(a.Key, b.Key) })
		},
	} {
		m := write(t, failureOf([]byte("x"), encoded("tenant", "a", "priority", "1")))
		headers := headersOf(m.Headers)
		reorder(headers)
		m.Headers = nil
		for _, h := range headers {
			m.Headers = wire.AppendHeader(m.Headers, h.Key, h.Value)
		}
		l, err := read(m)
		require.NoError(t, err, name)
		require.Equal(t, origin, l.Origin, name)
		require.Equal(t, 5, l.Attempts, name)
		require.Equal(t, encoded("priority", "1", "tenant", "a"), l.Message.Headers, name)
	}
}

func TestMessagesThatAreNoDeadLetters(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string][]byte{
		"no headers": nil,
		"partial":    encoded("origin-stream", "s", "origin-topic", "t", "failure-attempts", "1"),
		"broken": encoded("origin-stream", "s", "origin-topic", "t", "origin-partition", "-1", "origin-offset", "0",
			"origin-id", "0192f000-0000-7000-8000-000000000001"),
		"malformed": {2, 9},
	} {
		_, err := read(topic.RawMessage{Stream: "shop", Topic: "x", Partition: 2, Offset: 7, Headers: headers})
		require.EqualError(t, err, "deadletter: shop/x/2/7 is not a dead letter of this library", name)
	}
	_, err := letters.Codec().Append(nil, deadletter.Letter{})
	require.ErrorContains(t, err, "a Sink writes dead letters")
	_, err = letters.Codec().Decode(nil, topic.Headers{})
	require.ErrorContains(t, err, "DecodeRaw")
}

// The sink of a consumer is called until it succeeds, so nothing may be refused by the server for
// good.
func TestDeadLetterIsAlwaysPublishable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := func(label string) string {
			return string(rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, label))
		}
		var own []byte
		for range rapid.IntRange(0, 500).Draw(t, "own headers") {
			own = wire.AppendHeader(own, rapid.StringN(1, 60, 255).Draw(t, "name"), strings.Repeat("v", rapid.IntRange(1, 255).Draw(t, "size")))
		}
		own = append(own, rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "malformed")...)
		f := topic.Failure[[]byte]{
			Origin: topic.Origin{Stream: "s" + text("stream"), Topic: "t" + text("topic"), Group: text("group"), Partition: 7},
			Code:   text("code"), Err: errors.New(text("cause")), Key: text("key"), Attempts: rapid.IntRange(-1, 10).Draw(t, "attempts"),
			Raw: topic.RawMessage{Payload: []byte(text("payload")), Headers: own},
		}
		m := write(t, f)
		require.NotZero(t, m.ID, "an id of its own, the same for each attempt")
		require.Equal(t, m.ID, write(t, f).ID)
		require.LessOrEqual(t, len(m.Key), 255)
		require.NotEmpty(t, m.Payload)
		require.LessOrEqual(t, len(m.Headers), iggyerr.MaxHeaderBytes)
		for _, h := range headersOf(m.Headers) {
			require.NotEmpty(t, h.Value, h.Key)
			if deadletter.IsHeader(h.Key) {
				require.True(t, utf8.ValidString(h.Value), h.Key)
			}
		}
		l, err := read(m)
		require.NoError(t, err)
		if len(own) <= iggyerr.MaxHeaderBytes-4000 {
			require.Equal(t, string(own), string(l.Message.Headers))
			require.Equal(t, string(f.Raw.Payload), string(l.Message.Payload))
			require.Equal(t, len(f.Raw.Payload) == 0, l.Incomplete != "")
		}
	})
}

func TestDeadLetterOfAMessageThatLeavesItNoRoom(t *testing.T) {
	t.Parallel()
	// Other programs may send larger payloads than this library.
	l, err := read(write(t, failureOf(bytes.Repeat([]byte("x"), iggyerr.MaxPayloadBytes+1), nil)))
	require.NoError(t, err)
	require.Len(t, l.Message.Payload, iggyerr.MaxPayloadBytes)
	require.Equal(t, "the payload has 10000000 of 10000001 bytes", l.Incomplete)

	l, err = read(write(t, failureOf(nil, nil)))
	require.NoError(t, err)
	require.Empty(t, l.Message.Payload)
	require.Equal(t, "the payload is empty, which the server does not accept", l.Incomplete)

	// Of the headers, the last ones are left out, except for those that say how to read the payload.
	var own []byte
	for range 300 {
		own = wire.AppendHeader(own, "k", strings.Repeat("v", 255))
	}
	kept := len(own)
	for range 75 {
		own = wire.AppendHeader(own, "l", strings.Repeat("v", 255))
	}
	own = append(own, encoded("Content-Encoding", "zstd", "partition-key", "k")...)
	own = append(own, 1, 2) // malformed
	require.LessOrEqual(t, len(own), iggyerr.MaxHeaderBytes)
	m := write(t, failureOf([]byte("x"), own))
	require.LessOrEqual(t, len(m.Headers), iggyerr.MaxHeaderBytes)
	require.Greater(t, len(m.Headers), iggyerr.MaxHeaderBytes-400, "no more is left out than must be")
	l, err = read(m)
	require.NoError(t, err)
	require.Regexp(t, `^headers omitted: \d+$`, l.Incomplete)
	require.True(t, bytes.HasPrefix(l.Message.Headers, own[:kept]))
	require.True(t, bytes.HasSuffix(l.Message.Headers, encoded("Content-Encoding", "zstd", "partition-key", "k")))

	var s sent
	require.ErrorContains(t, deadletter.Replay(t.Context(), &s, l, 0), "replay orders.billing.dlq/1/12: headers omitted")
	require.Empty(t, s)
}

func TestTopicOf(t *testing.T) {
	t.Parallel()
	require.Equal(t, "shop/orders.billing.dlq", letters.String())
	require.Equal(t, topic.Settings{Partitions: 1, Retention: 90 * 24 * time.Hour}, letters.Settings())
	cfg := config.DefaultConsumer("billing")
	cfg.DeadLetters = config.GroupTopic{Name: "failed", Partitions: 3, Retention: config.RetentionForever, MaxSize: 2 << 30}
	other := deadletter.TopicOf(orders, cfg)
	require.Equal(t, "shop/failed", other.String())
	require.Equal(t, topic.Settings{Partitions: 3, Retention: topic.RetentionForever, MaxSize: 2 << 30}, other.Settings())
	require.Equal(t, "shop/failed", deadletter.New[[]byte](new(sent), other).Topic().String())
}
