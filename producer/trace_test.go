package producer_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func attributes(s sdktrace.ReadOnlySpan) map[string]string {
	m := map[string]string{}
	for _, a := range s.Attributes() {
		m[string(a.Key)] = a.Value.String()
	}
	return m
}

func TestPublishSpans(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	run(t, func(c *config.Producer) { c.Retry.MaxRetries = 0 }, func(t *testing.T, s *server, p *producer.Producer) {
		ctx, parent := provider.Tracer("test").Start(t.Context(), "request")
		require.NoError(t, errOf(p.Send(ctx, message("k", "x"))))
		require.NoError(t, p.SendAll(ctx, message("k", "y"), message("k", "z")))
		done := make(outcomes, 1)
		p.SendAsync(ctx, message("k", "a"), func(r producer.Result) { done <- r })
		done.wait(t, 1)
		s.fail(first(cutStored))
		require.Error(t, errOf(p.Send(ctx, message("k", "b"))))

		ended := spans.Ended()
		require.Len(t, ended, 4)
		log := s.log("t")
		for i, message := range []int{0, 1, 3, 4} {
			span := ended[i]
			require.Equal(t, "send s/t", span.Name())
			require.Equal(t, trace.SpanKindProducer, span.SpanKind())
			require.Equal(t, parent.SpanContext().SpanID(), span.Parent().SpanID())
			require.Equal(t, "iggy", attributes(span)["messaging.system"])
			require.Equal(t, "send", attributes(span)["messaging.operation.name"])
			require.Equal(t, "send", attributes(span)["messaging.operation.type"])
			require.Equal(t, "s/t", attributes(span)["messaging.destination.name"])
			want := "00-" + span.SpanContext().TraceID().String() + "-" + span.SpanContext().SpanID().String() + "-01"
			require.Equal(t, want, log[message].headers[topic.HeaderTraceParent])
		}
		require.Equal(t, "2", attributes(ended[1])["messaging.batch.message_count"])
		require.NotContains(t, attributes(ended[1]), "messaging.destination.partition.id", "of several messages")
		require.NotContains(t, attributes(ended[0]), "messaging.batch.message_count")
		require.Len(t, attributes(ended[0])["messaging.message.id"], 36)
		require.Equal(t, attribute.Int64Value(int64(wire.PartitionOf("k", 4))).String(), attributes(ended[0])["messaging.destination.partition.id"])
		require.Len(t, attributes(ended[2])["messaging.message.id"], 36)
		require.Equal(t, codes.Error, ended[3].Status().Code)
		require.Equal(t, "connection", attributes(ended[3])["error.type"])
		require.Equal(t, "unknown", attributes(ended[3])["messaging.iggy.outcome"])
		require.Equal(t, codes.Unset, ended[0].Status().Code)
		require.NotContains(t, attributes(ended[0]), "error.type")
	}, producer.WithTracerProvider(provider))
}

// A call that sends to several topics has one span without a destination. A call whose first
// message is refused has its span all the same.
func TestSpansOfMixedBatches(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.partitions("u", 1)
		other := message("k", "u")
		other.Topic = "u"
		require.NoError(t, p.SendAll(t.Context(), message("k", "x"), other))
		refused := message("k", "y")
		refused.Headers = []topic.Header{{Key: "", Value: "no name"}}
		require.Error(t, p.SendAll(t.Context(), refused, message("k", "z")))
		ended := spans.Ended()
		require.Len(t, ended, 2)
		require.Equal(t, "send", ended[0].Name())
		require.NotContains(t, attributes(ended[0]), "messaging.destination.name")
		require.Equal(t, "2", attributes(ended[0])["messaging.batch.message_count"])
		require.Equal(t, "send s/t", ended[1].Name())
		require.Equal(t, codes.Error, ended[1].Status().Code)
	}, producer.WithTracerProvider(provider))
}

func TestTraceContextTravelsWithoutAProvider(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		state, err := trace.ParseTraceState("vendor=1")
		require.NoError(t, err)
		ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, TraceState: state,
		}))
		require.NoError(t, errOf(p.Send(ctx, message("k", "x"))))
		require.Equal(t, map[string]string{
			topic.HeaderTraceParent: "00-01000000000000000000000000000000-0200000000000000-01",
			topic.HeaderTraceState:  "vendor=1",
		}, s.log("t")[0].headers)
		r := message("k", "y")
		r.Headers = []topic.Header{{Key: topic.HeaderTraceParent, Value: "mine"}}
		require.NoError(t, errOf(p.Send(ctx, r)))
		require.Equal(t, map[string]string{topic.HeaderTraceParent: "mine"}, s.log("t")[1].headers)
	})
}
