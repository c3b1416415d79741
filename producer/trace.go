package producer

import (
	"context"
	"encoding/hex"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

const scope = "github.com/fetchbox/fetchbox-iggy/producer"

// tracing makes the publish spans, one per call that sends, by the semantic
// conventions for messaging.
type tracing struct {
	tracer trace.Tracer // nil means none
}

func newTracing(tp trace.TracerProvider) tracing {
	if tp == nil {
		return tracing{}
	}
	return tracing{tracer: tp.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))}
}

func (t tracing) enabled() bool { return t.tracer != nil }

// span is a publish span under way, or none.
type span struct{ trace.Span }

func (t tracing) start(ctx context.Context, topic *topicState, records int) (context.Context, span) {
	if t.tracer == nil {
		return ctx, span{}
	}
	attributes := []attribute.KeyValue{
		semconv.MessagingSystemKey.String("iggy"),
		semconv.MessagingOperationTypeSend,
		semconv.MessagingOperationName("publish"),
		semconv.MessagingDestinationName(topic.object(-1)),
	}
	if records > 1 {
		attributes = append(attributes, semconv.MessagingBatchMessageCount(records))
	}
	ctx, s := t.tracer.Start(ctx, "publish "+topic.object(-1), trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attributes...))
	return ctx, span{s}
}

// end ends the span with the outcome of its record, or of its records when id is zero.
func (s span) end(r Result) {
	if s.Span == nil {
		return
	}
	if r.ID != ([16]byte{}) {
		s.SetAttributes(semconv.MessagingMessageID(uuid(r.ID)))
	}
	if r.Outcome == Confirmed {
		s.SetAttributes(semconv.MessagingDestinationPartitionID(itoa(r.Partition)))
	}
	if r.Err != nil {
		s.SetAttributes(semconv.ErrorTypeKey.String(OutcomeOf(r.Err).String()))
		s.SetStatus(codes.Error, r.Err.Error())
	}
	s.End()
}

// inject writes the trace context of ctx into the headers, unless they have one.
func (t tracing) inject(ctx context.Context, it *item, s *scratch) {
	if !trace.SpanContextFromContext(ctx).IsValid() || hasTrace(it.headers) {
		return
	}
	it.own(s)
	propagation.TraceContext{}.Inject(ctx, headerCarrier{s})
	it.headers = s.headers
}

func hasTrace(headers []byte) (found bool) {
	_ = wire.RangeHeaders(headers, func(key, _ string) bool {
		found = key == topic.HeaderTraceParent
		return !found
	})
	return found
}

// headerCarrier writes what a propagator sets as user headers.
type headerCarrier struct{ s *scratch }

// Get finds nothing: the carrier is written only.
func (c headerCarrier) Get(string) string { return "" }

// Keys finds nothing: the carrier is written only.
func (c headerCarrier) Keys() []string { return nil }

// Set appends a header. A value that no header can hold, as tracestate may be, is left out.
func (c headerCarrier) Set(key, value string) {
	if checkHeader(key, value) == nil {
		c.s.headers = wire.AppendHeader(c.s.headers, key, value)
	}
}

// uuid is the usual text form of an id.
func uuid(id [16]byte) string {
	var text [36]byte
	hex.Encode(text[0:], id[:4])
	hex.Encode(text[9:], id[4:6])
	hex.Encode(text[14:], id[6:8])
	hex.Encode(text[19:], id[8:10])
	hex.Encode(text[24:], id[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}
