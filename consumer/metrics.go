package consumer

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
)

// instrumentation is the name of the tracer and the meter.
const instrumentation = "github.com/fetchbox/fetchbox-iggy/consumer"

// meter measures a consumer. Counters are read when metrics are collected, so that counting costs
// nothing while messages are handled; durations are recorded as they occur. A nil meter measures
// nothing.
type meter struct {
	e            *engine
	attributes   metric.MeasurementOption
	registration metric.Registration
	pollTime     metric.Float64Histogram
	handleTime   metric.Float64Histogram
	ok, failed   metric.MeasurementOption

	counters []counter
	gauges   []gauge
}

type counter struct {
	instrument metric.Int64ObservableCounter
	read       func(counters) int64
	attributes metric.MeasurementOption
}

type gauge struct {
	instrument metric.Int64ObservableGauge
	read       func(Status) int64
}

// groupAttributes are the attributes with the group of the consumer, if it has one.
func (e *engine) groupAttributes() []attribute.KeyValue {
	if group := e.group(); group != "" {
		return []attribute.KeyValue{telemetry.Group(group)}
	}
	return nil
}

func newMeter(provider metric.MeterProvider, e *engine, name, cluster string) (*meter, error) {
	if provider == nil {
		return nil, nil
	}
	api := provider.Meter(instrumentation)
	base := []attribute.KeyValue{
		attribute.String("messaging.system", "iggy"),
		attribute.String("messaging.destination.name", telemetry.Destination(e.identity.Stream, e.identity.Topic)),
		attribute.String("consumer", name),
		telemetry.Cluster(cluster),
	}
	base = append(base, e.groupAttributes()...)
	with := func(more ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(append(slices.Clip(base), more...)...))
	}
	m := &meter{e: e, attributes: with(), ok: with(attribute.String("outcome", "ok")), failed: with(attribute.String("outcome", "error"))}
	var errs []error
	var observed []metric.Observable
	count := func(name, unit, text string, read func(counters) int64, more ...attribute.KeyValue) {
		c, err := api.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(text))
		errs, observed = append(errs, err), append(observed, c)
		m.counters = append(m.counters, counter{c, read, with(more...)})
	}
	measure := func(name, unit, text string, read func(Status) int64) {
		g, err := api.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(text))
		errs, observed = append(errs, err), append(observed, g)
		m.gauges = append(m.gauges, gauge{g, read})
	}
	outcome := func(name string) attribute.KeyValue { return attribute.String("outcome", name) }
	const outcomes, outcomesText = "iggy.client.consumer.outcomes", "Messages by outcome."
	count("iggy.client.consumer.messages", "{message}", "Messages read.", func(t counters) int64 { return t.fetched.Messages })
	count("iggy.client.consumer.bytes", "By", "Bytes of the messages read.", func(t counters) int64 { return t.fetched.Bytes })
	count("iggy.client.consumer.polls", "{request}", "Polls that returned messages.", func(t counters) int64 { return t.fetched.Polls })
	count("iggy.client.consumer.deliveries", "{delivery}", "Deliveries to the application.", func(t counters) int64 { return t.delivered.Delivered })
	count("iggy.client.consumer.redeliveries", "{delivery}", "Deliveries after the first of a message.", func(t counters) int64 { return t.delivered.Redelivered })
	count("iggy.client.consumer.failures", "{delivery}", "Failed deliveries.", func(t counters) int64 { return t.delivered.Failed })
	count(outcomes, "{message}", outcomesText, func(t counters) int64 { return t.delivered.Acked }, outcome("acknowledged"))
	count(outcomes, "{message}", outcomesText, func(t counters) int64 { return t.delivered.Dropped }, outcome("dropped"))
	count(outcomes, "{message}", outcomesText, func(t counters) int64 { return t.delivered.DeadLettered }, outcome("dead_letter"))
	count(outcomes, "{message}", outcomesText, func(t counters) int64 { return t.delivered.Skipped }, outcome("skipped"))
	count(outcomes, "{message}", outcomesText, func(t counters) int64 { return t.delivered.Parked }, outcome("parked"))
	count(outcomes, "{message}", outcomesText, func(t counters) int64 { return t.delivered.Duplicates }, outcome("duplicate"))
	count("iggy.client.consumer.dead_letters", "{message}", "Messages confirmed by the dead letters.", func(t counters) int64 { return t.delivered.DeadLettered })
	count("iggy.client.consumer.undecodable", "{message}", "Messages that could not be decoded.", func(t counters) int64 { return t.delivered.Undecodable })
	count("iggy.client.consumer.commits", "{request}", "Offsets stored.", func(t counters) int64 { return t.commits })
	count("iggy.client.consumer.gaps", "{gap}", "Gaps in the offsets.", func(t counters) int64 { return t.fetched.Gaps })
	count("iggy.client.consumer.gap_messages", "{message}", "Offsets that are missing at gaps.", func(t counters) int64 { return t.fetched.GapMessages })
	count("iggy.client.consumer.offset_resets", "{reset}", "Truncated logs and reset stored offsets.", func(t counters) int64 { return t.resets })
	measure("iggy.client.consumer.lag", "{message}", "Messages after the acknowledged prefixes of the assigned partitions.", func(s Status) int64 { return int64(s.Lag) })
	measure("iggy.client.consumer.parked", "{message}", "Messages that are parked in the assigned partitions of their topic.", func(s Status) int64 {
		if s.Parked == nil {
			return 0
		}
		return int64(s.Parked.Lag)
	})
	measure("iggy.client.consumer.in_flight", "{message}", "Messages in flight.", func(s Status) int64 { return int64(s.InFlight) })
	measure("iggy.client.consumer.partitions", "{partition}", "Partitions assigned.", func(s Status) int64 { return int64(len(s.Partitions)) })
	measure("iggy.client.consumer.buffered_bytes", "By", "Bytes of messages that are prefetched or in flight.", func(s Status) int64 { return s.BufferedBytes })
	rebalances, err := api.Int64ObservableCounter("iggy.client.consumer.rebalances", metric.WithUnit("{change}"),
		metric.WithDescription("Partitions assigned, revoked and lost."))
	errs, observed = append(errs, err), append(observed, rebalances)
	oldest, err := api.Float64ObservableGauge("iggy.client.consumer.oldest_age", metric.WithUnit("s"),
		metric.WithDescription("How long the oldest unacknowledged message is in flight."))
	errs, observed = append(errs, err), append(observed, oldest)
	m.pollTime, err = api.Float64Histogram("iggy.client.consumer.poll.duration", metric.WithUnit("s"), metric.WithDescription("Round trips of polls."),
		telemetry.RequestBuckets())
	errs = append(errs, err)
	m.handleTime, err = api.Float64Histogram("iggy.client.consumer.handle.duration", metric.WithUnit("s"), metric.WithDescription("Calls of the handler."),
		telemetry.HandlerBuckets())
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	m.registration, err = api.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		total, changes := e.counters(), e.machine.Status().Changes
		for _, c := range m.counters {
			o.ObserveInt64(c.instrument, c.read(total), c.attributes)
		}
		o.ObserveInt64(rebalances, changes, m.attributes)
		status := e.status()
		if !status.Consuming {
			return nil // it has no partition and needs none
		}
		for _, g := range m.gauges {
			o.ObserveInt64(g.instrument, g.read(status), m.attributes)
		}
		o.ObserveFloat64(oldest, status.OldestAge.Seconds(), m.attributes)
		return nil
	}, observed...)
	return m, err
}

// enabled reports whether anything is measured.
func (m *meter) enabled() bool { return m != nil }

// recordPoll records the round trip of a poll.
func (m *meter) recordPoll(d time.Duration) {
	if m != nil {
		m.pollTime.Record(context.Background(), d.Seconds(), m.attributes)
	}
}

// startHandle returns the start time of a handler's call.
func (m *meter) startHandle() time.Time {
	if m == nil {
		return time.Time{}
	}
	return time.Now()
}

// recordHandle records a handler's call.
func (m *meter) recordHandle(began time.Time, err error) {
	if m == nil {
		return
	}
	outcome := m.ok
	if err != nil {
		outcome = m.failed
	}
	m.handleTime.Record(context.Background(), time.Since(began).Seconds(), outcome)
}

// stop ends the observation.
func (m *meter) stop() {
	if m != nil && m.registration != nil {
		_ = m.registration.Unregister()
	}
}
