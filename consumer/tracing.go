package consumer

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// trace begins the span of a handler's call: a new trace, linked to the spans that published the
// messages. It returns the function that ends the span.
func (a *app[T]) trace(ctx context.Context, messages []*deliver.Message) (context.Context, func(error)) {
	if a.tracer == nil {
		return ctx, func(error) {}
	}
	first := messages[0]
	attributes := []attribute.KeyValue{telemetry.Partition((*consumed)(first).source().partition)}
	if len(messages) == 1 {
		attributes = append(attributes, telemetry.MessageID((*consumed)(first).raw().ID), offsetOf(first), attribute.Int("messaging.iggy.deliveries", first.Deliveries()))
	}
	options := []trace.SpanStartOption{trace.WithAttributes(attributes...)}
	var links []trace.Link
	for _, msg := range messages {
		if publisher := publisherOf(a.e.headersOf(msg.Raw)); publisher.IsValid() {
			links = append(links, trace.Link{
				SpanContext: publisher, Attributes: []attribute.KeyValue{telemetry.MessageID((*consumed)(msg).raw().ID), offsetOf(msg)},
			})
		}
	}
	options = append(options, trace.WithLinks(links...))
	ctx, span := a.tracer.Start(ctx, telemetry.Destination(a.e.identity.Stream, a.e.identity.Topic), len(messages), options...)
	return ctx, func(err error) {
		if err != nil {
			span.RecordError(err)
			code := topic.CodeOf(err)
			telemetry.Fail(span, code, code)
		}
		span.End()
	}
}

func offsetOf(msg *deliver.Message) attribute.KeyValue {
	return attribute.Int64("messaging.iggy.offset", int64((*consumed)(msg).raw().Offset))
}

// publisherOf returns the span that published a message, from the message's headers.
func publisherOf(headers topic.Headers) trace.SpanContext {
	parent := headers.Get(topic.HeaderTraceParent)
	if parent == "" {
		return trace.SpanContext{}
	}
	carrier := propagation.MapCarrier{topic.HeaderTraceParent: parent}
	if state := headers.Get(topic.HeaderTraceState); state != "" {
		carrier[topic.HeaderTraceState] = state
	}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}

// traceOf returns the trace of whoever published a message, as a field for the log.
func traceOf(headers topic.Headers) []zap.Field {
	if publisher := publisherOf(headers); publisher.IsValid() {
		return []zap.Field{zap.String("trace_id", publisher.TraceID().String())}
	}
	return nil
}
