package producer_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
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
		require.NoError(t, p.Send(ctx, message("k", "x")))
		require.NoError(t, p.SendAll(ctx, message("k", "y"), message("k", "z")))
		done := make(outcomes, 1)
		p.SendAsync(ctx, message("k", "a"), func(r producer.Result) { done <- r })
		done.take(t, 1)
		s.fail(first(cutStored))
		require.Error(t, p.Send(ctx, message("k", "b")))

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

// A call that sends to several topics has one span, which names none of them; one whose first
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
		require.NoError(t, p.Send(ctx, message("k", "x")))
		require.Equal(t, map[string]string{
			topic.HeaderTraceParent: "00-01000000000000000000000000000000-0200000000000000-01",
			topic.HeaderTraceState:  "vendor=1",
		}, s.log("t")[0].headers)
		r := message("k", "y")
		r.Headers = []topic.Header{{Key: topic.HeaderTraceParent, Value: "mine"}}
		require.NoError(t, p.Send(ctx, r))
		require.Equal(t, map[string]string{topic.HeaderTraceParent: "mine"}, s.log("t")[1].headers)
	})
}

// Headers that fit by themselves were refused for those of the library, and nobody could see why.
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
		require.NoError(t, p.Send(t.Context(), r), "they fit alone")

		err := p.Send(ctx, r)
		require.ErrorIs(t, err, iggyerr.ErrTooLarge)
		require.ErrorContains(t, err, "headers of 100076 bytes (the message's own 100000, traceparent 76), the server's limit is 100000")

		err = producer.For(p, topic.New("s", "t", topic.JSON[int]())).Publish(ctx, 1, producer.WithHeaders(headers...))
		require.ErrorIs(t, err, iggyerr.ErrTooLarge)
		require.ErrorContains(t, err, "the message's own 100000, content-type 38, message-type 25, traceparent 76")
	})
}

// metricsOf are those of the producer and of its links.
func metricsOf(data metricdata.ResourceMetrics) (all []metricdata.Metrics) {
	for _, scope := range data.ScopeMetrics {
		all = append(all, scope.Metrics...)
	}
	return all
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	run(t, func(c *config.Producer) { c.Retry.MaxRetries = 1 }, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, p.SendAll(t.Context(), message("k", "x"), message("k", "y")))
		s.fail(first(cutStored))
		require.NoError(t, p.Send(t.Context(), message("k", "z")))
		s.fail(first(cutStored, cutBefore))
		require.Error(t, p.Send(t.Context(), message("k", "unknown")))
		require.Error(t, p.Send(t.Context(), message("k", "")))
		s.fail(nil)
		s.set(func() { s.delay = time.Minute / 2 })
		p.SendAsync(t.Context(), message("k", "buffered"), nil)

		var data metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(context.Background(), &data))
		sums, counts := map[string]int64{}, map[string]uint64{}
		for _, m := range metricsOf(data) {
			label := func(set attribute.Set) string {
				name := m.Name
				if v, ok := set.Value("outcome"); ok {
					name += "/" + v.AsString()
				}
				if v, ok := set.Value("topic"); ok {
					require.Equal(t, "t", v.AsString())
				}
				return name
			}
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range d.DataPoints {
					sums[label(point.Attributes)] += point.Value
				}
			case metricdata.Gauge[int64]:
				for _, point := range d.DataPoints {
					sums[label(point.Attributes)] += point.Value
				}
			case metricdata.Histogram[float64]:
				for _, point := range d.DataPoints {
					counts[label(point.Attributes)] += point.Count
				}
			case metricdata.Histogram[int64]:
				for _, point := range d.DataPoints {
					counts[label(point.Attributes)] += point.Count
				}
			}
		}
		one := int64(wire.EncodedSize(1, 0))
		require.Equal(t, map[string]int64{
			"fetchbox_producer_messages_total/confirmed": 3,
			"fetchbox_producer_messages_total/failed":    1,
			"fetchbox_producer_messages_total/unknown":   1,
			"fetchbox_producer_bytes_total/confirmed":    3 * one,
			"fetchbox_producer_bytes_total/unknown":      one + 6,
			"fetchbox_producer_retries_total":            2,
			"fetchbox_producer_buffered_messages":        1,
			"fetchbox_producer_buffered_bytes":           one + 7,
			"fetchbox_link_up":                           0,
			"fetchbox_link_reconnects_total":             2, // the third waits for its backoff
			"fetchbox_link_failures_total":               0,
			"fetchbox_link_breaker_open":                 0,
		}, sums)
		require.Equal(t, map[string]uint64{
			"fetchbox_producer_batch_messages":            5,
			"fetchbox_producer_request_seconds":           5,
			"fetchbox_producer_latency_seconds/confirmed": 2,
			"fetchbox_producer_latency_seconds/unknown":   1,
		}, counts)
	}, producer.WithMeterProvider(provider))
}

func TestNamesTellProducersApart(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	run(t, nil, func(t *testing.T, _ *server, p *producer.Producer) {
		require.NoError(t, p.Send(t.Context(), message("k", "x")))
		require.Equal(t, "eu.bulk", p.Status().Name)
		require.Equal(t, "eu.bulk-0", p.Status().Connections[0].Name)
		var data metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(context.Background(), &data))
		found := 0
		for _, m := range metricsOf(data) {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if !ok || m.Name != "fetchbox_producer_messages_total" {
				continue
			}
			for _, point := range sum.DataPoints {
				found++
				require.Equal(t, attribute.NewSet(
					attribute.String("producer", "bulk"), attribute.String("iggy.cluster", "eu"),
					attribute.String("stream", "s"), attribute.String("topic", "t"), attribute.String("outcome", "confirmed"),
				), point.Attributes)
			}
		}
		require.Equal(t, 1, found)
	}, producer.WithMeterProvider(provider), producer.WithName("bulk"), producer.WithCluster("eu"))
}
