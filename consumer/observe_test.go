package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

func TestSpanIsLinkedToThePublishersSpan(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	spans := tracetest.NewSpanRecorder()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	got := newSeen()
	c := r.consumer(quick(), consumer.WithTracerProvider(tracers))
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
	r.sendBatch(0, &b)
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
	r := newRig(t, 1)
	spans := tracetest.NewSpanRecorder()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	var b wire.Batch
	for i := range byte(3) {
		headers := wire.AppendHeader(nil, "traceparent", fmt.Sprintf("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333%d-01", i+1))
		b.Append([16]byte{i + 1}, 0, []byte("a/x"), headers)
	}
	r.sendBatch(0, &b)
	handled := make(chan int, 3)
	c := r.consumer(quick(), consumer.WithTracerProvider(tracers))
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

func TestMetrics(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	reader := metric.NewManualReader()
	meters := metric.NewMeterProvider(metric.WithReader(reader))
	cfg := quick()
	cfg.Retry.MaxDeliveries = 2
	box := newLetters()
	c := r.consumer(cfg, consumer.WithMeterProvider(meters))
	require.NoError(t, c.SetDeadLetters(box))
	held := make(chan struct{})
	got := newSeen()
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		switch m.Value {
		case "b/bad":
			return errors.New("bad")
		case "c/held":
			<-held
		case "d/dropped":
			return consumer.Drop
		}
		return nil
	}))
	read := func() map[string]int64 {
		var data metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(context.Background(), &data))
		values := map[string]int64{}
		for _, scope := range data.ScopeMetrics {
			for _, m := range scope.Metrics {
				switch d := m.Data.(type) {
				case metricdata.Sum[int64]:
					for _, p := range d.DataPoints {
						name := strings.TrimPrefix(m.Name, "fetchbox_")
						if outcome, ok := p.Attributes.Value("outcome"); ok {
							name += " " + outcome.AsString()
						}
						values[name] = p.Value
					}
				case metricdata.Gauge[int64]:
					values[strings.TrimPrefix(m.Name, "fetchbox_")] = d.DataPoints[0].Value
				case metricdata.Histogram[float64]:
					for _, p := range d.DataPoints {
						values[strings.TrimPrefix(m.Name, "fetchbox_")] += int64(p.Count)
					}
				}
			}
		}
		return values
	}
	require.NotContains(t, read(), "consumer_partitions", "who does not consume misses no partition")
	start(t, c)
	r.send(0, "a/0", "a/1", "b/bad", "!malformed", "d/dropped")
	r.send(1, "c/held")
	got.wait(t, 6)
	box.wait(t, 2)
	r.server.WaitCommitted("s", "t", "g", 0, 4)
	values := read()
	for name, want := range map[string]int64{
		"consumer_messages_total": 6, "consumer_deliveries_total": 6, "consumer_redeliveries_total": 1, "consumer_failures_total": 2,
		"consumer_outcomes_total acknowledged": 2, "consumer_outcomes_total dropped": 1, "consumer_outcomes_total dead_letter": 2,
		"consumer_outcomes_total skipped": 0, "worker_dlq_total": 2, "consumer_undecodable_total": 1,
		"worker_tasks_inflight": 1, "consumer_lag": 1, "consumer_partitions": 2, "consumer_rebalances_total": 2,
	} {
		require.Equal(t, want, values[name], name)
	}
	eventually(t, "a counted commit", func() bool { return read()["consumer_commits_total"] > 0 })
	require.Positive(t, values["consumer_poll_duration_seconds"])
	require.EqualValues(t, 5, values["consumer_handle_duration_seconds"])
	close(held)
	stop(t, c)
	require.NotContains(t, read(), "worker_tasks_inflight", "a stopped consumer is not observed")
}

func TestStatusAndLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	cfg := quick()
	cfg.MaxLag, cfg.MaxAge, cfg.MaxInFlight = 5, 20*time.Millisecond, 2
	c := r.consumer(cfg, consumer.WithName("me"))
	held := make(chan struct{})
	require.NoError(t, c.Handle(func(context.Context, *consumer.Message[string]) error {
		<-held
		return nil
	}))
	require.ErrorContains(t, c.Check(context.Background()), "not connected")
	start(t, c)
	eventually(t, "partitions", func() bool { return len(c.Status().Partitions) == 2 })
	require.NoError(t, c.Check(context.Background()))
	r.send(0, numbered("a", 4)...)
	eventually(t, "age", func() bool { return c.Check(context.Background()) != nil })
	require.ErrorContains(t, c.Check(context.Background()), "the oldest message is in flight for")
	r.send(0, numbered("b", 4)...)
	eventually(t, "lag", func() bool { return c.Status().Lag > 5 })
	require.ErrorContains(t, c.Check(context.Background()), "over 5")
	s := c.Status()
	require.Equal(t, "me", s.Name)
	require.Equal(t, "g", s.Group)
	require.True(t, s.Joined && s.Connected && s.Consuming)
	require.LessOrEqual(t, s.InFlight, 2)
	close(held)
	eventually(t, "order again", func() bool { return c.Check(context.Background()) == nil })
	stop(t, c)

	spare := r.consumer(quick())
	first := r.worker(quick(), newLedger(), 0)
	second := r.worker(quick(), newLedger(), 0)
	require.NoError(t, spare.Handle(func(context.Context, *consumer.Message[string]) error { return nil }))
	start(t, spare)
	settled(t, []*consumer.Consumer[string]{first, second, spare}, 0, 1, 1)
	eventually(t, "the spare's membership", func() bool { return spare.Status().Joined })
	require.NoError(t, spare.Check(context.Background()), "others hold all partitions")
}
