package link

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
)

const scope = "github.com/fetchbox/fetchbox-iggy/internal/link"

// WithMeterProvider enables metrics from Start to Stop, with the name of the link's cluster; see
// telemetry.Cluster. A nil provider means no metrics.
func WithMeterProvider(mp metric.MeterProvider, cluster string) Option {
	return func(l *Link) { l.meters, l.cluster = mp, cluster }
}

// metrics are the instruments of a link. All methods of nil do nothing.
type metrics struct {
	meter      metric.Meter
	attributes metric.MeasurementOption

	up, breaker          metric.Int64ObservableGauge
	reconnects, failures metric.Int64ObservableCounter
	heartbeat            metric.Float64Histogram

	registration metric.Registration
}

func newMetrics(mp metric.MeterProvider, name, cluster string) (*metrics, error) {
	if mp == nil {
		return nil, nil
	}
	m := &metrics{
		meter:      mp.Meter(scope),
		attributes: metric.WithAttributeSet(attribute.NewSet(attribute.String("link", name), telemetry.Cluster(cluster))),
	}
	var errs [5]error
	m.up, errs[0] = m.meter.Int64ObservableGauge("iggy.client.link.up",
		metric.WithDescription("1 while there is a logged-in connection, 0 while the link tries to connect."))
	m.breaker, errs[1] = m.meter.Int64ObservableGauge("iggy.client.link.breaker_open",
		metric.WithDescription("1 while the circuit breaker is open or half-open, after several connections in a row that served no request."))
	m.reconnects, errs[2] = m.meter.Int64ObservableCounter("iggy.client.link.reconnects",
		metric.WithDescription("Connections made after the first one."), metric.WithUnit("{connection}"))
	m.failures, errs[3] = m.meter.Int64ObservableCounter("iggy.client.link.failures",
		metric.WithDescription("Attempts to connect and log in that failed."), metric.WithUnit("{attempt}"))
	m.heartbeat, errs[4] = m.meter.Float64Histogram("iggy.client.link.heartbeat.duration",
		metric.WithDescription("Round-trip time of answered heartbeats."), metric.WithUnit("s"), telemetry.RequestBuckets())
	return m, errors.Join(errs[:]...)
}

// register registers the instruments that are read at collection time. It holds no lock: a
// collection, which may be running, takes that of the link.
func (m *metrics) register(l *Link) (err error) {
	if m == nil {
		return nil
	}
	m.registration, err = m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := l.Status()
		o.ObserveInt64(m.up, toInt(s.State == StateReady), m.attributes)
		o.ObserveInt64(m.breaker, toInt(!l.breaker.Closed()), m.attributes)
		o.ObserveInt64(m.reconnects, int64(s.Reconnects), m.attributes)
		o.ObserveInt64(m.failures, int64(s.Failures), m.attributes)
		return nil
	}, m.up, m.breaker, m.reconnects, m.failures)
	return err
}

// unregister unregisters what register registered.
func (m *metrics) unregister() {
	if m != nil && m.registration != nil {
		_ = m.registration.Unregister() // that of the OpenTelemetry SDK never fails
	}
}

// observeHeartbeat measures the round trip of a heartbeat.
func (m *metrics) observeHeartbeat(d time.Duration) {
	if m != nil {
		m.heartbeat.Record(context.Background(), d.Seconds(), m.attributes)
	}
}

func toInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
