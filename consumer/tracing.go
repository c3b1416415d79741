package consumer

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// trace begins the span of a call of a handler, a new trace that is linked to
// the spans which published the records. It returns how the span ends.
func (c *Consumer[T]) trace(ctx context.Context, records []*record) (context.Context, func(error)) {
	if c.tracer == nil {
		return ctx, func(error) {}
	}
	first := records[0]
	who := c.e.who
	attributes := []attribute.KeyValue{
		attribute.String("messaging.system", "iggy"),
		attribute.String("messaging.operation.name", "process"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", who.Stream+"/"+who.Topic),
		attribute.Int("messaging.destination.partition.id", int(first.part.id)),
		attribute.String("messaging.consumer.group.name", who.Name),
	}
	if len(records) == 1 {
		attributes = append(attributes,
			attribute.Int64("messaging.iggy.offset", int64(first.raw.Offset)),
			attribute.Int("messaging.iggy.deliveries", first.deliveries))
	} else {
		attributes = append(attributes, attribute.Int("messaging.batch.message_count", len(records)))
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attributes...)}
	for _, r := range records {
		if publisher := publisherOf(r); publisher.IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: publisher}))
		}
	}
	ctx, span := c.tracer.Start(ctx, "process "+who.Topic, options...)
	return ctx, func(err error) {
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, topic.CodeOf(err))
		}
		span.End()
	}
}

// publisherOf is the span that published a record, from its headers.
func publisherOf(r *record) trace.SpanContext {
	if len(r.raw.Headers) == 0 {
		return trace.SpanContext{}
	}
	carrier := propagation.MapCarrier{}
	for _, key := range []string{topic.HeaderTraceParent, topic.HeaderTraceState} {
		if value := headerOf(r, key); value != "" {
			carrier[key] = value
		}
	}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}
