package consumer_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

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
						name := strings.TrimPrefix(m.Name, "iggy.client.")
						if outcome, ok := p.Attributes.Value("outcome"); ok {
							name += " " + outcome.AsString()
						}
						values[name] = p.Value
					}
				case metricdata.Gauge[int64]:
					values[strings.TrimPrefix(m.Name, "iggy.client.")] = d.DataPoints[0].Value
				case metricdata.Gauge[float64]:
					values[strings.TrimPrefix(m.Name, "iggy.client.")] = int64(math.Ceil(d.DataPoints[0].Value))
				case metricdata.Histogram[float64]:
					for _, p := range d.DataPoints {
						values[strings.TrimPrefix(m.Name, "iggy.client.")] += int64(p.Count)
					}
				}
			}
		}
		return values
	}
	require.NotContains(t, read(), "consumer.partitions", "who does not consume misses no partition")
	began := time.Now()
	start(t, c)
	e.send(0, "a/0", "a/1", "b/bad", "!malformed", "d/dropped")
	e.send(1, "c/held")
	got.wait(t, 6)
	box.wait(t, 2)
	e.server.WaitCommitted("s", "t", "g", 0, 4)
	values := read()
	for name, want := range map[string]int64{
		"consumer.messages": 6, "consumer.deliveries": 6, "consumer.redeliveries": 1, "consumer.failures": 2,
		"consumer.outcomes acknowledged": 2, "consumer.outcomes dropped": 1, "consumer.outcomes dead_letter": 2,
		"consumer.outcomes skipped": 0, "consumer.dead_letters": 2, "consumer.undecodable": 1,
		"consumer.in_flight": 1, "consumer.lag": 1, "consumer.partitions": 2, "consumer.rebalances": 2,
	} {
		require.Equal(t, want, values[name], name)
	}
	eventually(t, "a counted commit", func() bool { return read()["consumer.commits"] > 0 })
	require.Positive(t, values["consumer.poll.duration"])
	require.Positive(t, values["consumer.oldest_age"])
	require.LessOrEqual(t, values["consumer.oldest_age"], int64(math.Ceil(time.Since(began).Seconds())), "in seconds")
	require.EqualValues(t, 5, values["consumer.handle.duration"])
	close(held)
	stop(t, c)
	require.NotContains(t, read(), "consumer.in_flight", "a stopped consumer is not observed")
}
