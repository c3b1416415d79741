package producer_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// A raw message is stored byte for byte: it gets no trace context, and keeps headers of other kinds
// than text.
func TestSendRawKeepsTheMessageByteForByte(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		spanContext := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
		ctx := trace.ContextWithSpanContext(context.Background(), spanContext)
		number := []byte{2, 1, 0, 0, 0, 'n', 6, 4, 0, 0, 0, 1, 2, 3, 4}
		created := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
		m := topic.RawMessage{
			Stream: "s", Topic: "t", Partition: 3, ID: [16]byte{9}, OriginTimestamp: created, Offset: 77,
			Payload: []byte(strings.Repeat("x", 1000)), Headers: append(wire.AppendHeader(nil, "a", "b"), number...),
		}
		require.NoError(t, p.SendRaw(ctx, m))
		got := s.stored("t", 3)
		require.Len(t, got, 1)
		require.Equal(t, m.ID, got[0].id)
		require.Equal(t, string(m.Payload), got[0].payload)
		require.Equal(t, string(m.Headers), got[0].encoded)
		require.EqualValues(t, created.UnixMicro(), got[0].created)

		m.ByKey, m.Key, m.OriginTimestamp = true, "k", time.Time{}
		before := time.Now()
		require.NoError(t, p.SendRaw(ctx, m))
		got = s.stored("t", wire.PartitionOf("k", 4))
		require.Len(t, got, 1)
		require.GreaterOrEqual(t, got[0].created, uint64(before.UnixMicro()))
	})
}

func TestSendRawRefusesWhatTheServerRefuses(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		m := topic.RawMessage{Stream: "s", Topic: "t"}
		require.ErrorIs(t, p.SendRaw(t.Context(), m), iggyerr.ErrEmptyPayload)
		m.Payload, m.Headers = []byte("x"), make([]byte, iggyerr.MaxHeaderBytes+1)
		require.ErrorIs(t, p.SendRaw(t.Context(), m), iggyerr.ErrTooLarge)
		m.Headers, m.Topic = nil, "nowhere"
		require.ErrorIs(t, p.SendRaw(t.Context(), m), iggyerr.ErrNotFound)
		require.Zero(t, s.count(&s.requests))
	})
}
