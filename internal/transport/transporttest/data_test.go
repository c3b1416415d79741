package transporttest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

func testTopic(t *testing.T, b *serverSuite) {
	_, stream, topic := b.topic(t, 3)
	c := b.login(t)
	require.NoError(t, c.Send(within(t), stream, topic, 1, batchOf("one")))
	require.NoError(t, c.Send(within(t), stream, topic, 2, batchOf("one", "two")))
	got, err := c.Topic(within(t), stream, topic)
	require.NoError(t, err)
	require.Equal(t, transport.Topic{Partitions: []transport.Partition{
		{ID: 0}, {ID: 1, Messages: 1}, {ID: 2, Messages: 2, CurrentOffset: 1},
	}}, got)
}

func testSendPoll(t *testing.T, b *serverSuite) {
	_, stream, topic := b.topic(t, 2)
	c := b.login(t)
	start := uint64(time.Now().Add(-time.Minute).UnixMicro())
	headers := wire.AppendHeader(wire.AppendHeader(nil, "content-type", "text/plain"), "ключ", "значение")
	var sent wire.Batch
	sent.Append([16]byte{1, 2, 3, 15: 4}, 12345, []byte("first"), headers)
	sent.Append([16]byte{5, 15: 6}, 67890, []byte{0}, nil)
	sent.Append([16]byte{7}, 1, bytes.Repeat([]byte("long"), 10_000), headers)
	before := bytes.Clone(sent.Bytes())
	require.NoError(t, c.Send(within(t), stream, topic, 1, &sent))
	require.Equal(t, before, sent.Bytes(), "a batch is not changed by sending it")
	require.NoError(t, c.Send(within(t), stream, topic, 1, batchOf("later")))

	got := poll(t, c, stream, topic, 1, transport.Strategy{Kind: transport.FromFirst}, 3)
	require.Equal(t, uint32(1), got.Partition)
	require.Equal(t, uint64(3), got.CurrentOffset)
	require.False(t, got.Truncated)
	require.Len(t, got.Messages, sent.Len())
	i := 0
	for want := range sent.Messages() {
		m := got.Messages[i]
		require.Equal(t, uint64(i), m.Offset)
		require.Greater(t, m.Timestamp, start, "microseconds since the epoch")
		want.Offset, want.Timestamp = m.Offset, m.Timestamp
		require.Equal(t, want, m)
		i++
	}
	empty := poll(t, c, stream, topic, 0, transport.Strategy{Kind: transport.FromFirst}, 10)
	require.Empty(t, empty.Messages)
	require.Zero(t, empty.CurrentOffset)
}

func testStrategies(t *testing.T, b *serverSuite) {
	_, stream, topic := b.topic(t, 1)
	c := b.login(t)
	require.NoError(t, c.Send(within(t), stream, topic, 0, batchOf("0", "1", "2", "3")))
	all := poll(t, c, stream, topic, 0, transport.Strategy{Kind: transport.FromFirst}, 100)
	require.Len(t, all.Messages, 4)
	stored := all.Messages[0].Timestamp
	require.NoError(t, c.StoreOffset(within(t), transport.Consumer{Stream: stream, Topic: topic, Name: "c"}, 0, 1))
	for _, tt := range []struct {
		name     string
		strategy transport.Strategy
		count    uint32
		want     string
	}{
		{"first", transport.Strategy{Kind: transport.FromFirst}, 2, "01"},
		{"last", transport.Strategy{Kind: fromLast}, 3, "123"},
		{"offset", transport.Strategy{Kind: transport.FromOffset, Value: 2}, 10, "23"},
		{"offset beyond the end", transport.Strategy{Kind: transport.FromOffset, Value: 100}, 10, ""},
		{"timestamp", transport.Strategy{Kind: transport.FromTimestamp, Value: stored}, 3, "012"},
		{"timestamp beyond the end", transport.Strategy{Kind: transport.FromTimestamp, Value: stored + 3_600_000_000}, 3, ""},
		{"next", transport.Strategy{Kind: fromNext}, 1, "2"},
		{"next again, as nothing was stored", transport.Strategy{Kind: fromNext}, 5, "23"},
	} {
		got := poll(t, c, stream, topic, 0, tt.strategy, tt.count)
		require.Equal(t, tt.want, payloads(got), tt.name)
		require.Equal(t, uint64(3), got.CurrentOffset, tt.name)
	}
}

// Memory that is reused for answers does not mix their contents: sizes vary, and some answers are
// recycled while others are kept.
func testRecycle(t *testing.T, b *serverSuite) {
	_, stream, topic := b.topic(t, 1)
	c := b.login(t)
	var want []string
	for i := range 40 {
		want = append(want, strings.Repeat(string(rune('A'+i)), 50_000+i))
		require.NoError(t, c.Send(within(t), stream, topic, 0, batchOf(want[i])))
	}
	var kept []*transport.Polled
	for i := range 200 {
		count := 1 + i%7
		got := poll(t, c, stream, topic, 0, transport.Strategy{Kind: transport.FromOffset, Value: uint64(i % 30)}, uint32(count))
		require.Equal(t, strings.Join(want[i%30:i%30+count], ""), payloads(got))
		switch {
		case i%11 == 0:
			kept = append(kept, got)
		case got.Recycle != nil:
			got.Recycle()
		}
	}
	for _, got := range kept {
		first := got.Messages[0].Offset
		require.Equal(t, strings.Join(want[first:int(first)+len(got.Messages)], ""), payloads(got))
	}
}

func testMaxBytes(t *testing.T, b *serverSuite) {
	_, stream, topic := b.topic(t, 1)
	c := b.login(t)
	const size = 1000
	var sent wire.Batch
	for i := range 50 {
		sent.Append([16]byte{byte(i)}, 0, bytes.Repeat([]byte{byte(i)}, size), nil)
	}
	require.NoError(t, c.Send(within(t), stream, topic, 0, &sent))
	each := wire.EncodedSize(size, 0)
	for _, tt := range []struct {
		maxBytes, want int
		truncated      bool
	}{
		{0, 50, false},
		{1 << 30, 50, false},
		{50 * each, 50, false},
		{50*each - 1, 49, true},
		{10 * each, 10, true},
		{10*each + 1, 10, true},
		{10*each + wire.MessageHeaderSize, 10, true},
		{each, 1, true},
		{each - 1, 1, true},
		{wire.MessageHeaderSize, 1, true},
		{1, 1, true},
	} {
		got, err := c.Poll(within(t), transport.Poll{
			Consumer: transport.Consumer{Stream: stream, Topic: topic, Name: "c"},
			Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 50, MaxBytes: tt.maxBytes,
		})
		require.NoError(t, err)
		require.Len(t, got.Messages, tt.want, "at most %d bytes", tt.maxBytes)
		require.Equal(t, tt.truncated, got.Truncated, "at most %d bytes", tt.maxBytes)
		for i, m := range got.Messages {
			require.Equal(t, uint64(i), m.Offset)
			require.Equal(t, bytes.Repeat([]byte{byte(i)}, size), m.Payload)
		}
	}
	requireUsable(t, c)
}

// Payloads of the largest size travel in batches that are larger than any buffer.
func testLarge(t *testing.T, b *serverSuite) {
	_, stream, topic := b.topic(t, 1)
	c := b.login(t)
	payload := bytes.Repeat([]byte("0123456789"), iggyerr.MaxPayloadBytes/10)
	var sent wire.Batch
	sent.Append([16]byte{1}, 0, payload, nil)
	sent.Append([16]byte{2}, 0, []byte("small"), nil)
	sent.Append([16]byte{3}, 0, payload, nil)
	require.NoError(t, c.Send(within(t), stream, topic, 0, &sent))
	got := poll(t, c, stream, topic, 0, transport.Strategy{Kind: transport.FromFirst}, 10)
	require.Len(t, got.Messages, 3)
	require.True(t, bytes.Equal(payload, got.Messages[0].Payload))
	require.Equal(t, "small", string(got.Messages[1].Payload))
	require.True(t, bytes.Equal(payload, got.Messages[2].Payload))

	// The first message exceeds the bound, and is the one that is kept.
	bounded, err := c.Poll(within(t), transport.Poll{
		Consumer: transport.Consumer{Stream: stream, Topic: topic, Name: "c"},
		Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 10, MaxBytes: 1000,
	})
	require.NoError(t, err)
	require.True(t, bounded.Truncated)
	require.Len(t, bounded.Messages, 1)
	require.True(t, bytes.Equal(payload, bounded.Messages[0].Payload))
	requireUsable(t, c)
}

// A batch with a message beyond a limit of the server is refused as a whole. The connection stays
// usable.
func testTooLarge(t *testing.T, b *serverSuite) {
	_, stream, topic := b.topic(t, 1)
	c := b.login(t)
	var sent wire.Batch
	sent.Append([16]byte{1}, 0, []byte("small"), nil)
	sent.Append([16]byte{2}, 0, []byte("x"), make([]byte, iggyerr.MaxHeaderBytes+1))
	err := c.Send(within(t), stream, topic, 0, &sent)
	var status *iggyerr.StatusError
	require.ErrorAs(t, err, &status)
	require.False(t, iggyerr.IsRetryable(err))
	requireUsable(t, c)
	require.Empty(t, poll(t, c, stream, topic, 0, transport.Strategy{Kind: transport.FromFirst}, 10).Messages)
}

func testOffsets(t *testing.T, b *serverSuite) {
	_, stream, topic := b.topic(t, 2)
	c := b.login(t)
	who := transport.Consumer{Stream: stream, Topic: topic, Name: "c"}
	other := transport.Consumer{Stream: stream, Topic: topic, Name: "d"}
	require.NoError(t, c.Send(within(t), stream, topic, 1, batchOf("0", "1", "2")))

	got, err := c.Offset(within(t), who, 1)
	require.NoError(t, err)
	require.False(t, got.Stored)
	for _, offset := range []uint64{2, 0, 1} { // backwards, too
		require.NoError(t, c.StoreOffset(within(t), who, 1, offset))
		got, err = c.Offset(within(t), who, 1)
		require.NoError(t, err)
		require.Equal(t, transport.Offset{Stored: true, Offset: offset, CurrentOffset: 2}, got)
	}
	err = c.StoreOffset(within(t), who, 1, 3)
	requireStatus(t, iggyerr.StatusInvalidOffset, err)
	require.ErrorContains(t, err, fmt.Sprintf("%s/%s/1 consumer c", stream, topic))
	got, err = c.Offset(within(t), other, 1)
	require.NoError(t, err)
	require.False(t, got.Stored, "another consumer")

	require.NoError(t, c.DeleteOffset(within(t), who, 1))
	got, err = c.Offset(within(t), who, 1)
	require.NoError(t, err)
	require.False(t, got.Stored)
	err = c.DeleteOffset(within(t), who, 1)
	requireStatus(t, iggyerr.StatusOffsetNotStored, err)
	require.ErrorContains(t, err, fmt.Sprintf("%s/%s/1 consumer c", stream, topic))
	requireUsable(t, c)
}

func poll(t *testing.T, c transport.Conn, stream, topic string, partition int64, s transport.Strategy, count uint32) *transport.Polled {
	t.Helper()
	p, err := c.Poll(within(t), transport.Poll{
		Consumer: transport.Consumer{Stream: stream, Topic: topic, Name: "c"}, Partition: partition, Strategy: s, Count: count,
	})
	require.NoError(t, err)
	return p
}

func payloads(p *transport.Polled) string {
	var all []byte
	for _, m := range p.Messages {
		all = append(all, m.Payload...)
	}
	return string(all)
}

// The strategies that the library does not use.
const (
	fromLast transport.StrategyKind = 4
	fromNext transport.StrategyKind = 5
)
