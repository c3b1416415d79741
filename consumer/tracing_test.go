package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

func TestSpanIsLinkedToThePublishersSpan(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	spans := tracetest.NewSpanRecorder()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	got := newSeen()
	c := e.consumer(fastConfig(), consumer.WithTracerProvider(tracers))
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		if m.Deliveries() == 1 && m.Value == "b/fails" {
			return errors.New("once")
		}
		if m.Value == "c/dropped" {
			return consumer.Drop
		}
		return nil
	}))
	start(t, c)
	var b wire.Batch
	headers := wire.AppendHeader(nil, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	b.Append([16]byte{1}, 0, []byte("a/linked"), headers)
	b.Append([16]byte{2}, 0, []byte("b/fails"), nil)
	b.Append([16]byte{3}, 0, []byte("c/dropped"), nil)
	e.sendBatch(0, &b)
	got.wait(t, 4)
	stop(t, c)
	links, failed := 0, 0
	for _, span := range spans.Ended() {
		require.Equal(t, "process s/t", span.Name())
		require.Equal(t, trace.SpanKindConsumer, span.SpanKind())
		attributes := attribute.NewSet(span.Attributes()...)
		value := func(key attribute.Key) attribute.Value {
			v, ok := attributes.Value(key)
			require.True(t, ok, key)
			return v
		}
		for key, want := range map[attribute.Key]string{
			"messaging.system": "iggy", "messaging.operation.name": "process", "messaging.operation.type": "process",
			"messaging.destination.name": "s/t", "messaging.destination.partition.id": "0", "messaging.consumer.group.name": "g",
		} {
			require.Equal(t, want, value(key).AsString(), key)
		}
		offset := value("messaging.iggy.offset").AsInt64()
		require.Equal(t, fmt.Sprintf("0%d000000-0000-0000-0000-000000000000", offset+1), value("messaging.message.id").AsString())
		for _, link := range span.Links() {
			links++
			require.Zero(t, offset, "the first message")
			require.Equal(t, "0af7651916cd43dd8448eb211c80319c", link.SpanContext.TraceID().String())
			require.Equal(t, "b7ad6b7169203331", link.SpanContext.SpanID().String())
			require.NotEqual(t, link.SpanContext.TraceID(), span.SpanContext().TraceID(), "linked, and not its child")
		}
		if span.Status().Code == codes.Error {
			failed++
			require.EqualValues(t, 1, offset, "a message that was dropped did not fail")
			require.Equal(t, "HANDLER_ERROR", span.Status().Description)
			require.Equal(t, "HANDLER_ERROR", value("error.type").AsString())
			require.EqualValues(t, 1, value("messaging.iggy.deliveries").AsInt64())
		}
	}
	require.Len(t, spans.Ended(), 4)
	require.Equal(t, 1, links)
	require.Equal(t, 1, failed)
}

func TestSpanOfABatchIsLinkedToEachPublisher(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	spans := tracetest.NewSpanRecorder()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	var b wire.Batch
	for i := range byte(3) {
		headers := wire.AppendHeader(nil, "traceparent", fmt.Sprintf("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333%d-01", i+1))
		b.Append([16]byte{i + 1}, 0, []byte("a/x"), headers)
	}
	e.sendBatch(0, &b)
	handled := make(chan int, 3)
	c := e.consumer(fastConfig(), consumer.WithTracerProvider(tracers))
	require.NoError(t, c.HandleBatch(func(_ context.Context, batch []*consumer.Message[string]) error {
		handled <- len(batch)
		return nil
	}))
	start(t, c)
	for n := 0; n < 3; {
		n += received(t, "a batch", handled)
	}
	stop(t, c)
	var ids []string
	for _, span := range spans.Ended() {
		attributes := attribute.NewSet(span.Attributes()...)
		count, ok := attributes.Value("messaging.batch.message_count")
		require.Equal(t, len(span.Links()) > 1, ok, "only batches of several have it")
		if ok {
			require.EqualValues(t, len(span.Links()), count.AsInt64())
		}
		for _, link := range span.Links() {
			id := attribute.NewSet(link.Attributes...)
			v, _ := id.Value("messaging.message.id")
			ids = append(ids, link.SpanContext.SpanID().String()[15:]+v.AsString()[:2])
		}
	}
	require.Equal(t, []string{"101", "202", "303"}, ids)
}
