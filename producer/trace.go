package producer

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

const instrumentationScope = "github.com/fetchbox/fetchbox-iggy/producer"

// tracing makes the send spans, one per call that sends.
type tracing struct {
	tracer *telemetry.Tracer // nil means none
}

func (t tracing) enabled() bool { return t.tracer != nil }

// span is a send span, or none.
type span struct{ trace.Span }

// start begins the span of a call that sends so many messages to a topic, or to several topics when
// topic is nil.
func (t tracing) start(ctx context.Context, topic *topicState, messages int) (context.Context, span) {
	if t.tracer == nil {
		return ctx, span{}
	}
	destination := ""
	if topic != nil {
		destination = telemetry.Destination(topic.stream, topic.name)
	}
	ctx, s := t.tracer.Start(ctx, destination, messages)
	return ctx, span{s}
}

// end ends the span with the outcome of its message, or of its messages when the id is zero.
func (s span) end(r Result) {
	if s.Span == nil {
		return
	}
	if r.ID != ([16]byte{}) {
		s.SetAttributes(telemetry.MessageID(r.ID))
	}
	if r.Outcome == Confirmed {
		s.SetAttributes(telemetry.Partition(r.Partition))
	}
	if r.Err != nil {
		s.SetAttributes(attribute.String("messaging.iggy.outcome", OutcomeOf(r.Err).String()))
		telemetry.Fail(s.Span, telemetry.ErrorType(r.Err), r.Err.Error())
	}
	s.End()
}

// inject adds the trace context of ctx to the headers, unless they have one.
func (t tracing) inject(ctx context.Context, it *item) {
	if !trace.SpanContextFromContext(ctx).IsValid() ||
		wire.HasHeader(it.headers, topic.HeaderTraceParent) || wire.HasHeader(it.headers, topic.HeaderTraceState) {
		return
	}
	s := it.ownHeaders()
	propagation.TraceContext{}.Inject(ctx, headerCarrier{s})
	it.headers = s.headers
}

// headerCarrier writes what a propagator sets as user headers.
type headerCarrier struct{ s *scratch }

// Get returns nothing: the carrier is write-only.
func (c headerCarrier) Get(string) string { return "" }

// Keys returns nothing: the carrier is write-only.
func (c headerCarrier) Keys() []string { return nil }

// Set appends a header. It omits a value that no header can hold, which a tracestate may be.
func (c headerCarrier) Set(key, value string) {
	if checkHeader(key, value) == nil {
		c.s.headers = wire.AppendHeader(c.s.headers, key, value)
	}
}
