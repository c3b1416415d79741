package telemetry

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Scope names the example's own spans and metrics.
const Scope = "github.com/fetchbox/fetchbox-iggy/examples/fxapp"

// Continue begins a span in the trace of whoever published a record, which its
// headers tell, so that one trace leads from the request to the last status. The
// consumer's own span, which is in ctx, is linked. Without a trace in the headers the
// span is a child of that one.
func Continue(ctx context.Context, tracer trace.Tracer, name string, headers []topic.Header, attributes ...attribute.KeyValue) (context.Context, func(error)) {
	options := []trace.SpanStartOption{trace.WithAttributes(attributes...)}
	carrier := propagation.MapCarrier{}
	for _, h := range headers {
		if h.Key == topic.HeaderTraceParent || h.Key == topic.HeaderTraceState {
			carrier[h.Key] = h.Value
		}
	}
	publisher := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
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

// Requests makes a span of each request, in the trace that its headers tell.
func Requests(tracer trace.Tracer, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path)))
		defer span.End()
		answer := &status{ResponseWriter: w, code: http.StatusOK}
		r = r.WithContext(ctx)
		next.ServeHTTP(answer, r)
		if r.Pattern != "" {
			span.SetName(r.Pattern)
			span.SetAttributes(attribute.String("http.route", r.Pattern))
		}
		span.SetAttributes(attribute.Int("http.response.status_code", answer.code))
		if answer.code >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
	})
}

// status remembers what was answered.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the real writer.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// TraceID is the id of the trace that ctx belongs to, as a field of a log line.
func TraceID(ctx context.Context) zap.Field {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		return zap.Stringer("trace_id", span.TraceID())
	}
	return zap.Skip()
}
