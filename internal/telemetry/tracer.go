package telemetry

import (
	"context"
	"net"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// operation is what a span is about, by OpenTelemetry's semantic conventions for messaging.
type operation struct {
	name string
	kind trace.SpanKind
	typ  attribute.KeyValue
}

// The operations that have spans.
var (
	Send    = operation{"send", trace.SpanKindProducer, semconv.MessagingOperationTypeSend}
	Process = operation{"process", trace.SpanKindConsumer, semconv.MessagingOperationTypeProcess}
)

// Tracer makes the spans of one producer or consumer. A nil Tracer makes none.
type Tracer struct {
	tracer trace.Tracer
	op     operation
	common []attribute.KeyValue
}

// NewTracer returns a Tracer for op. Its spans all have the cluster, the server's address and the
// given attributes. It returns nil when tp is nil.
func NewTracer(tp trace.TracerProvider, scope string, op operation, cluster, address string, more ...attribute.KeyValue) *Tracer {
	if tp == nil {
		return nil
	}
	common := []attribute.KeyValue{
		semconv.MessagingSystemKey.String("iggy"), semconv.MessagingOperationName(op.name), op.typ, Cluster(cluster),
	}
	if host, port, err := net.SplitHostPort(address); err == nil {
		common = append(common, semconv.ServerAddress(host))
		if n, err := strconv.Atoi(port); err == nil {
			common = append(common, semconv.ServerPort(n))
		}
	}
	return &Tracer{
		tracer: tp.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)), op: op, common: append(common, more...),
	}
}

// Destination returns the name of a topic in spans and metrics.
func Destination(stream, topic string) string { return stream + "/" + topic }

// Start begins a span for so many messages of a destination. The destination is empty when the
// messages have several. t must not be nil.
func (t *Tracer) Start(ctx context.Context, destination string, messages int, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	name, attributes := t.op.name, slices.Clip(t.common)
	if destination != "" {
		name += " " + destination
		attributes = append(attributes, semconv.MessagingDestinationName(destination))
	}
	if messages > 1 {
		attributes = append(attributes, semconv.MessagingBatchMessageCount(messages))
	}
	options = append(options, trace.WithSpanKind(t.op.kind), trace.WithAttributes(attributes...))
	return t.tracer.Start(ctx, name, options...)
}

// Partition returns the attribute of a partition.
func Partition(id uint32) attribute.KeyValue {
	return semconv.MessagingDestinationPartitionID(strconv.FormatUint(uint64(id), 10))
}

// MessageID returns the attribute of a message's id.
func MessageID(id [16]byte) attribute.KeyValue {
	return semconv.MessagingMessageID(uuid.UUID(id).String())
}

// Group returns the attribute of a consumer group.
func Group(name string) attribute.KeyValue { return semconv.MessagingConsumerGroupName(name) }

// Fail marks a span as failed, with the class of the error.
func Fail(span trace.Span, errorType, description string) {
	span.SetAttributes(semconv.ErrorTypeKey.String(errorType))
	span.SetStatus(codes.Error, description)
}
