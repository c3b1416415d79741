package fxiggy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// Every metric has a label with the name of the cluster.
func TestMetricsTellTheCluster(t *testing.T) {
	t.Parallel()
	here, there := server(t), server(t)
	reader := sdkmetric.NewManualReader()
	text := yaml(here) + fmt.Sprintf("clusters: {eu: {iggy: {endpoint: %q, client_id: iggy, client_secret: iggy}}}\n", "tcp://"+there.Address())
	done := make(chan string)
	handle := func(name string, tasks *consumer.Consumer[*jobspb.DownloadTask]) error {
		return tasks.Handle(func(context.Context, *consumer.Message[*jobspb.DownloadTask]) error {
			done <- name
			return nil
		})
	}
	type both struct {
		fx.In
		Jobs        *jobs.Publisher
		Tasks       *consumer.Consumer[*jobspb.DownloadTask]
		Registry    *health.Registry
		EuropeJobs  *jobs.Publisher                          `name:"eu"`
		EuropeTasks *consumer.Consumer[*jobspb.DownloadTask] `name:"eu"`
	}
	var all both
	start(t, fxiggy.Named("eu"), configured(text),
		fx.Provide(func() metric.MeterProvider { return sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)) }),
		fx.Invoke(func(b both) error {
			all = b
			if err := handle("", b.Tasks); err != nil {
				return err
			}
			return handle("eu", b.EuropeTasks)
		}))
	require.NoError(t, errOf(all.Jobs.PublishDownloadTask(t.Context(), task("a"))))
	require.Empty(t, receive(t, done))
	require.NoError(t, errOf(all.EuropeJobs.PublishDownloadTask(t.Context(), task("b"))))
	require.Equal(t, "eu", receive(t, done))

	var data metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &data))
	seen := map[string]map[string]bool{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			seen[m.Name] = map[string]bool{}
			for _, set := range attributesOf(t, m.Data) {
				cluster, ok := set.Value("iggy.cluster")
				require.True(t, ok, "%s has no cluster: %v", m.Name, set.ToSlice())
				seen[m.Name][cluster.AsString()] = true
				if name, ok := set.Value("consumer"); ok {
					require.Equal(t, "tasks", name.AsString(), "the same query finds the consumer of either cluster")
				}
				if name, ok := set.Value("producer"); ok {
					require.Equal(t, "producer", name.AsString())
				}
			}
		}
	}
	for _, name := range []string{
		"iggy.client.producer.messages", "iggy.client.producer.request.duration", "iggy.client.producer.buffered_bytes",
		"iggy.client.link.up", "iggy.client.link.reconnects", "iggy.client.consumer.in_flight", "iggy.client.consumer.dead_letters", "iggy.client.consumer.lag", "iggy.client.consumer.poll.duration",
	} {
		require.Equal(t, map[string]bool{"default": true, "eu": true}, seen[name], name)
	}

	report := all.Registry.Check(t.Context())
	for name, cluster := range map[string]string{"producer": "", "consumer.tasks": "", "eu.producer": "eu", "eu.consumer.tasks": "eu"} {
		var detail struct{ Cluster string }
		require.NoError(t, json.Unmarshal(report.Components[name].Detail, &detail), name)
		require.Equal(t, cluster, detail.Cluster, name)
	}
	require.Equal(t, "eu.tasks", all.EuropeTasks.Name(), "logs and errors")
}

func attributesOf(t *testing.T, data metricdata.Aggregation) (sets []attribute.Set) {
	t.Helper()
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
	case metricdata.Gauge[int64]:
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
	case metricdata.Gauge[float64]:
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
	case metricdata.Histogram[int64]:
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
	default:
		require.Failf(t, "unknown data", "%T", data)
	}
	return sets
}
