package link_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
)

// metricValues returns the values of a link's metrics by their names.
func metricValues(t *testing.T, reader *metric.ManualReader) map[string]int64 {
	t.Helper()
	var data metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(context.Background(), &data))
	want := attribute.NewSet(attribute.String("link", "test"), attribute.String("iggy.cluster", "eu"))
	values := map[string]int64{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Gauge[int64]:
				require.Equal(t, want, d.DataPoints[0].Attributes)
				values[m.Name] = d.DataPoints[0].Value
			case metricdata.Sum[int64]:
				require.Equal(t, want, d.DataPoints[0].Attributes)
				values[m.Name] = d.DataPoints[0].Value
			case metricdata.Histogram[float64]:
				require.Equal(t, want, d.DataPoints[0].Attributes)
				values[m.Name] = int64(d.DataPoints[0].Count)
			}
		}
	}
	return values
}

// The metrics show a connection that is lost again and again.
func TestMetricsReportTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := metric.NewManualReader()
		provider := metric.NewMeterProvider(metric.WithReader(reader))
		server := &fakeServer{}
		cfg := settings()
		cfg.Breaker = config.Breaker{Failures: 3, Delay: 10 * time.Second}
		l, err := link.New("test", cfg, link.WithDialer(server), link.WithMeterProvider(provider, "eu"))
		require.NoError(t, err)
		require.Empty(t, metricValues(t, reader), "a link that was not started is none")
		require.NoError(t, l.Start(t.Context()))
		want := func(up, reconnects, failures, open int64) {
			t.Helper()
			values := metricValues(t, reader)
			delete(values, "iggy.client.link.heartbeat.duration")
			require.Equal(t, map[string]int64{
				"iggy.client.link.up": up, "iggy.client.link.reconnects": reconnects,
				"iggy.client.link.failures": failures, "iggy.client.link.breaker_open": open,
			}, values)
		}
		want(1, 0, 0, 0)
		time.Sleep(cfg.HeartbeatInterval + time.Second)
		require.EqualValues(t, 1, metricValues(t, reader)["iggy.client.link.heartbeat.duration"])

		server.set(func(f *fakeServer) { f.dialErr = errRefused })
		server.last().cut(errRefused)
		synctest.Wait()
		require.EqualValues(t, 0, metricValues(t, reader)["iggy.client.link.up"])
		time.Sleep(5 * time.Second) // for three attempts
		want(0, 0, 3, 1)

		server.set(func(f *fakeServer) { f.dialErr = nil })
		time.Sleep(10 * time.Second)
		want(1, 1, 3, 1) // half open: nothing was served yet
		require.NoError(t, l.Do(t.Context(), ping))
		want(1, 1, 3, 0)

		require.NoError(t, l.Stop(t.Context()))
		require.NotContains(t, metricValues(t, reader), "iggy.client.link.up", "a stopped link is no failure")
		require.NoError(t, l.Stop(t.Context()))
	})
}

func TestFailedStartUnregistersMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := metric.NewManualReader()
		l, err := link.New("test", settings(), link.WithDialer(&fakeServer{dialErr: errRefused}),
			link.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader)), ""))
		require.NoError(t, err)
		require.Error(t, l.Start(t.Context()))
		require.Empty(t, metricValues(t, reader))
	})
}
