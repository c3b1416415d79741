package consumer_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	reader := metric.NewManualReader()
	meters := metric.NewMeterProvider(metric.WithReader(reader))
	cfg := fastConfig()
	cfg.Retry.MaxDeliveries = 2
	box := newDeadLetterRecorder()
	c := e.consumer(cfg, consumer.WithMeterProvider(meters))
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
						name := strings.TrimPrefix(m.Name, "iggy_client_")
						if outcome, ok := p.Attributes.Value("outcome"); ok {
							name += " " + outcome.AsString()
						}
						values[name] = p.Value
					}
				case metricdata.Gauge[int64]:
					values[strings.TrimPrefix(m.Name, "iggy_client_")] = d.DataPoints[0].Value
				case metricdata.Histogram[float64]:
					for _, p := range d.DataPoints {
						values[strings.TrimPrefix(m.Name, "iggy_client_")] += int64(p.Count)
					}
				}
			}
		}
		return values
	}
	require.NotContains(t, read(), "consumer_partitions", "who does not consume misses no partition")
	start(t, c)
	e.send(0, "a/0", "a/1", "b/bad", "!malformed", "d/dropped")
	e.send(1, "c/held")
	got.wait(t, 6)
	box.wait(t, 2)
	e.server.WaitCommitted("s", "t", "g", 0, 4)
	values := read()
	for name, want := range map[string]int64{
		"consumer_messages_total": 6, "consumer_deliveries_total": 6, "consumer_redeliveries_total": 1, "consumer_failures_total": 2,
		"consumer_outcomes_total acknowledged": 2, "consumer_outcomes_total dropped": 1, "consumer_outcomes_total dead_letter": 2,
		"consumer_outcomes_total skipped": 0, "consumer_dead_letters_total": 2, "consumer_undecodable_total": 1,
		"consumer_in_flight": 1, "consumer_lag": 1, "consumer_partitions": 2, "consumer_rebalances_total": 2,
	} {
		require.Equal(t, want, values[name], name)
	}
	eventually(t, "a counted commit", func() bool { return read()["consumer_commits_total"] > 0 })
	require.Positive(t, values["consumer_poll_duration_seconds"])
	require.EqualValues(t, 5, values["consumer_handle_duration_seconds"])
	close(held)
	stop(t, c)
	require.NotContains(t, read(), "consumer_in_flight", "a stopped consumer is not observed")
}
