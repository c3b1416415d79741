package consumer

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// app is the part of a consumer that knows the type of its messages: it decodes them (decode.go),
// calls the handlers (handler.go) and the dead letters (deadletter.go), and traces these calls
// (tracing.go). It implements deliver.App.
//
// The handlers and the dead letters are set by the Consumer, under its lock and before consumption
// begins. They do not change after that.
type app[T any] struct {
	e            *engine
	topic        topic.Topic[T]
	rawDecoder   topic.RawDecoder[T] // nil: the codec decodes payloads
	tracer       *telemetry.Tracer   // nil: no spans
	middleware   []Middleware[T]
	handler      Handler[T] // with the middleware around it
	batchHandler func(context.Context, []*Message[T]) error
	deadLetters  DeadLetters[T] // nil: none
}
