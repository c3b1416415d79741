package deadletter_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Promise 7 of docs/guarantees.md: what can't be decoded, decompressed or handled becomes a dead
// letter byte for byte, and can be published again to where it was.
func TestPromiseDeadLettersAreTheMessagesByteForByte(t *testing.T) {
	t.Parallel()
	overServers(t, func(e *testEnv) {
		t := e.t
		number := slices.Clip([]byte{2, 1, 0, 0, 0, 'n', 6, 4, 0, 0, 0, 1, 2, 3, 4}) // of another client
		packed, err := encoding.Append(nil, config.CompressionZstd, []byte("acme/1"))
		require.NoError(t, err)
		sent := map[byte]topic.RawMessage{
			1: {Partition: 0, Payload: []byte("acme/refused"), Headers: encoded("tenant", "a", "traceparent", "00-01-02-01")},
			2: {Partition: 1, Payload: packed, Headers: append(encoded("content-encoding", "zstd"), number...)},
			3: {Partition: 2, Payload: []byte("!undecodable"), Headers: append(number, 99)}, // malformed
			4: {Partition: 1, Payload: []byte("no zstd"), Headers: encoded("content-encoding", "zstd", "origin-id", "x", "failure-attempts", "9")},
			5: {Partition: 2, Payload: []byte{'!', 0, 0xff}},
			6: {Partition: 0, Payload: []byte("unkeyed"), Headers: encoded("partition-key", "acme")},
		}
		for id, m := range sent {
			m.Stream, m.Topic, m.ID = e.orders.Stream(), e.orders.Name(), [16]byte{id}
			m.OriginTimestamp = time.Date(2026, 1, 2, 3, 4, int(id), 0, time.UTC)
			require.NoError(t, e.producer.SendRaw(t.Context(), m))
		}
		stored := map[byte]topic.RawMessage{}
		for _, m := range e.read(len(sent)) {
			stored[m.ID[0]] = m
		}

		refused := errors.New("refused")
		consume(e, e.cfg, e.orders, consumer.DeadLetters[string](deadletter.New[string](e.producer, e.letters)),
			func(context.Context, *consumer.Message[string]) error { return consumer.Permanent(refused) })
		letters := make(chan deadletter.Letter, 10)
		replay := e.cfg
		replay.Group = "replay"
		consume(e, replay, e.letters, nil, func(ctx context.Context, m *consumer.Message[deadletter.Letter]) error {
			if m.Header(topic.HeaderReplayOf) != "" {
				return nil // it has failed again
			}
			if err := deadletter.Replay(ctx, e.producer, m.Value, 0); err != nil {
				return err
			}
			letters <- m.Value
			return nil
		})
		found := map[byte]deadletter.Letter{}
		for len(found) < len(sent) {
			l := received(t, letters)
			found[l.Origin.ID[0]] = l
		}
		replays := map[[16]byte]topic.RawMessage{}
		for _, m := range e.read(2 * len(sent)) {
			replays[m.ID] = m
		}
		for id, want := range stored {
			l := found[id]
			require.Equal(t, "billing", l.Origin.Group)
			require.Equal(t, want.Offset, l.Origin.Offset)
			require.Equal(t, want.Timestamp, l.Origin.Timestamp)
			want.Key = l.Message.Key
			require.Equal(t, want, l.Message, "message %d", id)
			switch id {
			case 1, 2, 6:
				require.Equal(t, "refused", l.Cause)
				require.Equal(t, 1, l.Attempts)
			default:
				require.Equal(t, topic.CodeDecode, l.Code)
				require.Zero(t, l.Attempts)
			}
			replayed := replays[deadletter.ReplayID(deadletter.Identity(l.Origin), 0)]
			require.Equal(t, want.Payload, replayed.Payload)
			require.Equal(t, append(encoded("replay-of", l.Position), want.Headers...), replayed.Headers)
			require.Equal(t, want.OriginTimestamp, replayed.OriginTimestamp)
			if id == 6 {
				want.Partition = wire.PartitionOf("acme", 3)
			}
			require.Equal(t, want.Partition, replayed.Partition)
		}
	})
}

// A replay that is repeated, after a crash for example, is the same message for consumers that drop
// duplicates.
func TestPromiseARepeatedReplayIsADuplicate(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, config.TransportNative, iggytest.NewServer(t).Endpoint(), iggytest.Username, iggytest.Password)
	l, err := read(write(t, failureOf([]byte("acme/1"), nil)))
	require.NoError(t, err)
	l.Message.Stream, l.Message.Partition = e.orders.Stream(), 1
	for _, n := range []int{0, 0, 1} {
		require.NoError(t, deadletter.Replay(t.Context(), e.producer, l, n))
	}
	handled := make(chan uint64, 10)
	cfg := e.cfg
	cfg.DedupWindow, cfg.Concurrency = 100, 1
	consume(e, cfg, e.orders, nil, func(_ context.Context, m *consumer.Message[string]) error {
		handled <- m.Offset()
		return nil
	})
	require.Zero(t, received(t, handled))
	require.EqualValues(t, 2, received(t, handled), "the second replay, on purpose")
}
