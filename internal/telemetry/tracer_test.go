package telemetry_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
)

func TestSpansFollowTheConventions(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	tracer := telemetry.NewTracer(provider, "scope", telemetry.Process, "", "[::1]:8090", telemetry.Group("workers"))
	_, span := tracer.Start(t.Context(), telemetry.Destination("fetchbox", "jobs.tasks"), 3, trace.WithAttributes(telemetry.Partition(7)))
	telemetry.Fail(span, "HANDLER_ERROR", "no such host")
	span.End()
	_, span = telemetry.NewTracer(provider, "scope", telemetry.Send, "eu", "").Start(t.Context(), "", 1)
	span.End()

	process, send := spans.Ended()[0], spans.Ended()[1]
	require.Equal(t, "process fetchbox/jobs.tasks", process.Name())
	require.Equal(t, trace.SpanKindConsumer, process.SpanKind())
	require.ElementsMatch(t, []attribute.KeyValue{
		attribute.String("messaging.system", "iggy"),
		attribute.String("messaging.operation.name", "process"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", "fetchbox/jobs.tasks"),
		attribute.String("messaging.destination.partition.id", "7"),
		attribute.String("messaging.consumer.group.name", "workers"),
		attribute.Int("messaging.batch.message_count", 3),
		attribute.String("iggy.cluster", "default"),
		attribute.String("server.address", "::1"),
		attribute.Int("server.port", 8090),
		attribute.String("error.type", "HANDLER_ERROR"),
	}, process.Attributes())
	require.Equal(t, sdktrace.Status{Code: codes.Error, Description: "no such host"}, process.Status())
	require.Contains(t, process.InstrumentationScope().SchemaURL, "opentelemetry.io/schemas/")

	require.Equal(t, "send", send.Name(), "of several topics")
	require.Equal(t, trace.SpanKindProducer, send.SpanKind())
	require.ElementsMatch(t, []attribute.KeyValue{
		attribute.String("messaging.system", "iggy"),
		attribute.String("messaging.operation.name", "send"),
		attribute.String("messaging.operation.type", "send"),
		attribute.String("iggy.cluster", "eu"),
	}, send.Attributes())
	require.Nil(t, telemetry.NewTracer(nil, "scope", telemetry.Send, "", ""))
}
