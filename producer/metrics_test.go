package producer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// metricsOf returns the metrics of the producer and of its links.
func metricsOf(data metricdata.ResourceMetrics) (all []metricdata.Metrics) {
	for _, scope := range data.ScopeMetrics {
		all = append(all, scope.Metrics...)
	}
	return all
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	run(t, func(c *config.Producer) { c.Retry.MaxRetries = 1 }, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, p.SendAll(t.Context(), message("k", "x"), message("k", "y")))
		s.fail(first(cutStored))
		require.NoError(t, errOf(p.Send(t.Context(), message("k", "z"))))
		s.fail(first(cutStored, cutBefore))
		require.Error(t, errOf(p.Send(t.Context(), message("k", "unknown"))))
		require.Error(t, errOf(p.Send(t.Context(), message("k", ""))))
		s.fail(nil)
		s.set(func() { s.delay = time.Minute / 2 })
		p.SendAsync(t.Context(), message("k", "buffered"), nil)

		var data metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(context.Background(), &data))
		sums, counts := map[string]int64{}, map[string]uint64{}
		for _, m := range metricsOf(data) {
			label := func(set attribute.Set) string {
				name := m.Name
				if v, ok := set.Value("outcome"); ok {
					name += "/" + v.AsString()
				}
				if v, ok := set.Value("topic"); ok {
					require.Equal(t, "t", v.AsString())
				}
				return name
			}
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range d.DataPoints {
					sums[label(point.Attributes)] += point.Value
				}
			case metricdata.Gauge[int64]:
				for _, point := range d.DataPoints {
					sums[label(point.Attributes)] += point.Value
				}
			case metricdata.Histogram[float64]:
				for _, point := range d.DataPoints {
					counts[label(point.Attributes)] += point.Count
				}
			case metricdata.Histogram[int64]:
				for _, point := range d.DataPoints {
					counts[label(point.Attributes)] += point.Count
				}
			}
		}
		one := int64(wire.EncodedSize(1, 0))
		require.Equal(t, map[string]int64{
			"iggy.client.producer.messages/confirmed": 3,
			"iggy.client.producer.messages/failed":    1,
			"iggy.client.producer.messages/unknown":   1,
			"iggy.client.producer.bytes/confirmed":    3 * one,
			"iggy.client.producer.bytes/unknown":      one + 6,
			"iggy.client.producer.retries":            2,
			"iggy.client.producer.buffered_messages":  1,
			"iggy.client.producer.buffered_bytes":     one + 7,
			"iggy.client.link.up":                     0,
			"iggy.client.link.reconnects":             2, // the third waits for its backoff
			"iggy.client.link.failures":               0,
			"iggy.client.link.breaker_open":           0,
		}, sums)
		require.Equal(t, map[string]uint64{
			"iggy.client.producer.batch_messages":    5,
			"iggy.client.producer.request.duration":  5,
			"iggy.client.producer.latency/confirmed": 2,
			"iggy.client.producer.latency/unknown":   1,
		}, counts)
	}, producer.WithMeterProvider(provider))
}

func TestMetricsHaveNameAndCluster(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	run(t, nil, func(t *testing.T, _ *server, p *producer.Producer) {
		require.NoError(t, errOf(p.Send(t.Context(), message("k", "x"))))
		require.Equal(t, "eu.bulk", p.Status().Name)
		require.Equal(t, "eu.bulk-0", p.Status().Connections[0].Name)
		var data metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(context.Background(), &data))
		found := 0
		for _, m := range metricsOf(data) {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if !ok || m.Name != "iggy.client.producer.messages" {
				continue
			}
			for _, point := range sum.DataPoints {
				found++
				require.Equal(t, attribute.NewSet(
					attribute.String("producer", "bulk"), attribute.String("iggy.cluster", "eu"),
					attribute.String("stream", "s"), attribute.String("topic", "t"), attribute.String("outcome", "confirmed"),
				), point.Attributes)
			}
		}
		require.Equal(t, 1, found)
	}, producer.WithMeterProvider(provider), producer.WithName("bulk"), producer.WithCluster("eu"))
}
