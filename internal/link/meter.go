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

// WithMeterProvider has the link measured from Start to Stop, as one to the cluster of that name; see
// telemetry.Cluster. A nil provider measures nothing.
func WithMeterProvider(mp metric.MeterProvider, cluster string) Option {
	return func(l *Link) { l.meters, l.cluster = mp, cluster }
}

// meter measures a link. A nil one measures nothing.
type meter struct {
	api        metric.Meter
	attributes metric.MeasurementOption

	up, breaker          metric.Int64ObservableGauge
	reconnects, failures metric.Int64ObservableCounter
	heartbeat            metric.Float64Histogram
}

func newMeter(mp metric.MeterProvider, name, cluster string) (*meter, error) {
	if mp == nil {
		return nil, nil
	}
	m := &meter{
		api:        mp.Meter(scope),
		attributes: metric.WithAttributeSet(attribute.NewSet(attribute.String("link", name), telemetry.Cluster(cluster))),
	}
	var errs [5]error
	m.up, errs[0] = m.api.Int64ObservableGauge("fetchbox_link_up",
		metric.WithDescription("1 while there is a logged-in connection, 0 while one is being sought."), metric.WithUnit("1"))
	m.breaker, errs[1] = m.api.Int64ObservableGauge("fetchbox_link_breaker_open",
		metric.WithDescription("1 while the circuit breaker is open or half-open, after connections in a row that served nothing."), metric.WithUnit("1"))
	m.reconnects, errs[2] = m.api.Int64ObservableCounter("fetchbox_link_reconnects_total",
		metric.WithDescription("Connections made after the first one."), metric.WithUnit("{connection}"))
	m.failures, errs[3] = m.api.Int64ObservableCounter("fetchbox_link_failures_total",
		metric.WithDescription("Attempts to connect and log in that failed."), metric.WithUnit("{attempt}"))
	m.heartbeat, errs[4] = m.api.Float64Histogram("fetchbox_link_heartbeat_duration_seconds",
		metric.WithDescription("Round trips of heartbeats that were answered."), metric.WithUnit("s"), telemetry.RequestSeconds())
	return m, errors.Join(errs[:]...)
}

// observe has l looked at whenever metrics are collected, until the result is unregistered.
func (m *meter) observe(l *Link) (metric.Registration, error) {
	return m.api.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := l.Status()
		o.ObserveInt64(m.up, truth(s.State == StateReady), m.attributes)
		o.ObserveInt64(m.breaker, truth(l.reconnect.broken()), m.attributes)
		o.ObserveInt64(m.reconnects, int64(s.Reconnects), m.attributes)
		o.ObserveInt64(m.failures, int64(s.Failures), m.attributes)
		return nil
	}, m.up, m.breaker, m.reconnects, m.failures)
}

// answered messages a heartbeat's round trip.
func (m *meter) answered(d time.Duration) {
	if m != nil {
		m.heartbeat.Record(context.Background(), d.Seconds(), m.attributes)
	}
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// beginMeasuring observes a link that was started. No lock is held meanwhile: the
// collection of metrics, which may be under way, takes that of the link.
func (l *Link) beginMeasuring() error {
	if l.meter == nil {
		return nil
	}
	registration, err := l.meter.observe(l)
	if err != nil {
		return err
	}
	l.mu.Lock()
	closed := l.phase == phaseClosed
	if !closed {
		l.registration = registration
	}
	l.mu.Unlock()
	if closed {
		return registration.Unregister()
	}
	return nil
}

// endMeasuring undoes beginMeasuring; it may be called twice.
func (l *Link) endMeasuring() {
	l.mu.Lock()
	registration := l.registration
	l.registration = nil
	l.mu.Unlock()
	if registration != nil {
		_ = registration.Unregister() // of the SDK's, it never fails
	}
}
