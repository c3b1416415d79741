package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// next waits for the next message, acknowledges it and returns its text.
func next(t testing.TB, c *consumer.Consumer[string]) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	m, err := c.Next(ctx)
	require.NoError(t, err)
	m.Ack()
	return m.Value
}

// none expects that there is no further message for a while.
func none(t testing.TB, c *consumer.Consumer[string]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	m, err := c.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded, "%v", m)
}

func TestStandaloneContinuesAfterReconnection(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]consumer.Position{"end": consumer.End(), "offset": consumer.Offset(1)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newTestEnv(t, 1)
			e.send(0, "a/old")
			c := e.consumer(fastConfig(), consumer.WithStandalone(consumer.Standalone{Start: start}))
			require.NoError(t, c.Start(context.Background()))
			none(t, c)
			eventually(t, "the partition to be assigned", func() bool { return len(c.Status().Partitions) == 1 }) // else the end is a later one
			for _, text := range []string{"a/new", "a/newer"} {
				e.server.CutConnections()
				e.conn = e.connect()
				e.send(0, text)
				require.Equal(t, text, next(t, c))
				none(t, c)
			}
		})
	}
}

// A standalone consumer without a name has no group in what it reports.
func TestStandaloneConsumerWithoutANameHasNoGroup(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "audit"} {
		e := newTestEnv(t, 1)
		e.send(0, "a/1")
		reader := sdkmetric.NewManualReader()
		spans := tracetest.NewSpanRecorder()
		delivered := make(chan topic.Origin, 1)
		c := e.consumer(fastConfig(), consumer.WithStandalone(consumer.Standalone{Name: name, Start: consumer.First()}),
			consumer.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))),
			consumer.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))))
		require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
			delivered <- m.Origin()
			return nil
		}))
		start(t, c)
		require.Equal(t, name, received(t, "the message", delivered).Group)
		require.Equal(t, name, c.Status().Group)
		require.True(t, c.Status().Standalone)

		var metrics metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(t.Context(), &metrics))
		points := 0
		for _, scope := range metrics.ScopeMetrics {
			for _, m := range scope.Metrics {
				gauge, ok := m.Data.(metricdata.Gauge[int64])
				if !ok || m.Name != "iggy.client.consumer.lag" {
					continue
				}
				group, ok := gauge.DataPoints[0].Attributes.Value("messaging.consumer.group.name")
				require.Equal(t, name != "", ok)
				require.Equal(t, name, group.AsString())
				points++
			}
		}
		require.NotZero(t, points)
		eventually(t, "the span", func() bool { return len(spans.Ended()) > 0 })
		for _, span := range spans.Ended() {
			attributes := attribute.NewSet(span.Attributes()...)
			group, ok := attributes.Value("messaging.consumer.group.name")
			require.Equal(t, name != "", ok)
			require.Equal(t, name, group.AsString())
		}
	}
}

func TestStandaloneBeginsWhereEachPartitionIsTold(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 4)
	for partition := range uint32(4) {
		e.send(partition, "a/0", "a/1", "a/2")
	}
	starts := map[uint32]consumer.Position{0: consumer.Offset(2), 1: consumer.End(), 2: consumer.First()}
	c := e.consumer(fastConfig(), consumer.WithStandalone(consumer.Standalone{Start: consumer.Last(), Starts: starts}))
	clear(starts) // which has no effect
	require.NoError(t, c.Start(context.Background()))
	got := map[uint32][]string{}
	for range 5 {
		ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
		m, err := c.Next(ctx)
		cancel()
		require.NoError(t, err)
		m.Ack()
		got[m.Partition()] = append(got[m.Partition()], m.Value)
	}
	require.Equal(t, map[uint32][]string{0: {"a/2"}, 2: {"a/0", "a/1", "a/2"}, 3: {"a/2"}}, got)
	none(t, c)
}

func TestNamedStandaloneStoresItsOffset(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, "a/0", "a/1", "a/2")
	named := consumer.WithStandalone(consumer.Standalone{Name: "ledger"})
	c := e.consumer(fastConfig(), named)
	start(t, c)
	require.Equal(t, "a/0", next(t, c))
	require.Equal(t, "a/1", next(t, c))
	stop(t, c)
	offset, ok, err := e.server.Embedded().StoredConsumerOffset("s", "t", "ledger", 0)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 1, offset)
	require.Zero(t, e.server.Members("s", "t", "g"))

	again := e.consumer(fastConfig(), named)
	start(t, again)
	require.Equal(t, "a/2", next(t, again))
}

func TestStandaloneConsumerLosesRemovedPartition(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	e.send(0, "a/0")
	e.send(1, "b/0")
	core, logs := observer.New(zap.WarnLevel)
	log := newHandlerLog()
	c := e.worker(fastConfig(), log, 0, consumer.WithStandalone(consumer.Standalone{Name: "n"}), consumer.WithLogger(zap.New(core)))
	log.wait(t, 2)
	e.admin(func(admin *tcp.IggyTcpClient) {
		require.NoError(t, admin.DeletePartitions(identifier(t, "s"), identifier(t, "t"), 1))
	})
	e.server.WaitFor("the loss of the partition", func() bool { return len(c.Status().Partitions) == 1 })
	e.send(0, "a/1")
	log.wait(t, 3)
	require.Empty(t, logs.FilterMessageSnippet("offset reset").All())
	require.Empty(t, logs.FilterMessageSnippet("moved").All())
	require.NoError(t, c.Check(context.Background()))
}

func TestStandaloneConsumerReadsARecreatedTopic(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, numbered("old", 10)...)
	log := newHandlerLog()
	e.worker(fastConfig(), log, 0, consumer.WithStandalone(consumer.Standalone{Name: "n"}))
	log.wait(t, 10)
	e.remake()
	e.send(0, numbered("new", 3)...)
	log.wait(t, 13)
}
