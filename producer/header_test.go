package producer_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// The error for headers that are too large tells the part that the library added.
func TestTooLargeHeadersAreExplained(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, _ *server, p *producer.Producer) {
		ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
		}))
		var headers []topic.Header
		size := 0
		for size < iggyerr.MaxHeaderBytes-250 {
			h := topic.Header{Key: "key", Value: strings.Repeat("v", 100)}
			headers = append(headers, h)
			size += wire.HeaderSize(h.Key, h.Value)
		}
		headers = append(headers, topic.Header{Key: "k", Value: strings.Repeat("v", iggyerr.MaxHeaderBytes-size-11)})
		r := message("k", "x")
		r.Headers = headers
		require.NoError(t, errOf(p.Send(t.Context(), r)), "they fit alone")

		_, err := p.Send(ctx, r)
		require.ErrorIs(t, err, iggyerr.ErrTooLarge)
		require.ErrorContains(t, err, "headers of 100076 bytes (the message's own 100000, traceparent 76), the server's limit is 100000")

		_, err = producer.For(p, topic.New("s", "t", topic.JSON[int]())).Publish(ctx, 1, producer.WithHeaders(headers...))
		require.ErrorIs(t, err, iggyerr.ErrTooLarge)
		require.ErrorContains(t, err, "the message's own 100000, content-type 38, message-type 25, traceparent 76")
	})
}

// A header that the library sets, too, occurs once, as the application gave it.
func TestHeadersOfTheApplicationReplaceThoseOfTheLibrary(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, s *testServer) {
		p := s.producer(t, config.Default().Producer)
		pub := producer.For(p, topic.New("s", "t", topic.JSON[string](), topic.Compress[string](config.CompressionGzip, 1)))
		ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
		}))
		own := []topic.Header{
			{Key: "Content-Type", Value: "text/plain"},
			{Key: "content-encoding", Value: "br"},
			{Key: "Traceparent", Value: "mine"},
			{Key: "x", Value: "1"},
			{Key: "x", Value: "2"},
		}
		value := strings.Repeat("compress me ", 100)
		require.NoError(t, errOf(pub.Publish(ctx, value, producer.WithHeaders(own...))))
		require.NoError(t, pub.PublishAll(ctx, []string{value}, producer.WithHeaders(own...)))
		require.NoError(t, errOf(p.Send(ctx, producer.Message{Stream: "s", Topic: "t", Payload: []byte(value), Headers: own})))
		stored := s.server.Messages("s", "t")
		require.Len(t, stored, 3)
		for i, m := range stored {
			var headers []topic.Header
			want := own
			if i < 2 { // of the publisher
				want = append([]topic.Header{{Key: "message-type", Value: "string"}}, own...)
			}
			require.NoError(t, wire.RangeHeaders(m.UserHeaders, func(key, value string) bool {
				headers = append(headers, topic.Header{Key: key, Value: value})
				return true
			}))
			require.Equal(t, want, headers)
			require.Contains(t, string(m.Payload), value, "not compressed again")
		}

		_, err := pub.Publish(ctx, value, producer.WithHeaders(topic.Header{Key: "content-type", Value: "a"}, topic.Header{Key: "Content-Type", Value: "b"}))
		require.ErrorContains(t, err, `header "Content-Type" is given twice`)
		require.Equal(t, producer.Failed, producer.OutcomeOf(err))
	})
}
