package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Scope names the example's own spans and metrics.
const Scope = "github.com/fetchbox/fetchbox-iggy/examples/fxapp"

// StartSpan starts a span in the trace of a message's publisher, which the message's headers carry,
// so that one trace spans a job from its request to its last status. The span is linked to the
// consumer's span in ctx. Without a trace in the headers it is a child of the consumer's span. The
// returned function ends the span with the result of the operation.
func StartSpan(
	ctx context.Context, tracer trace.Tracer, name string,
	headers []topic.Header, attributes ...attribute.KeyValue,
) (context.Context, func(error)) {
	options := []trace.SpanStartOption{trace.WithAttributes(attributes...)}
	carrier := propagation.MapCarrier{}
	for _, h := range headers {
		if h.Key == topic.HeaderTraceParent || h.Key == topic.HeaderTraceState {
			carrier[h.Key] = h.Value
		}
	}
	publisher := trace.SpanContextFromContext(
		propagation.TraceContext{}.Extract(context.Background(), carrier))
	if publisher.IsValid() {
		if own := trace.SpanContextFromContext(ctx); own.IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: own}))
		}
		ctx = trace.ContextWithRemoteSpanContext(ctx, publisher)
	}
	ctx, span := tracer.Start(ctx, name, options...)
	return ctx, func(err error) {
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, topic.CodeOf(err))
		}
		span.End()
	}
}

// TraceID returns the id of the trace that ctx belongs to, as a log field.
func TraceID(ctx context.Context) zap.Field {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		return zap.Stringer("trace_id", span.TraceID())
	}
	return zap.Skip()
}
