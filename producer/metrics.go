package producer

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
)

// metrics are the producer's instruments. Without a meter provider they do nothing. They are
// updated once per batch, not once per message.
type metrics struct {
	meter    metric.Meter // nil means no metrics
	base     []attribute.KeyValue
	messages metric.Int64Counter
	bytes    metric.Int64Counter
	size     metric.Int64Histogram
	latency  metric.Float64Histogram
	request  metric.Float64Histogram
	retries  metric.Int64Counter

	registration metric.Registration
}

func newMetrics(mp metric.MeterProvider, name, cluster string) (*metrics, error) {
	if mp == nil {
		return &metrics{}, nil
	}
	m := &metrics{meter: mp.Meter(instrumentationScope), base: []attribute.KeyValue{attribute.String("producer", name), telemetry.Cluster(cluster)}}
	var errs [6]error
	m.messages, errs[0] = m.meter.Int64Counter("iggy.client.producer.messages",
		metric.WithDescription("Messages by outcome: confirmed, failed, unknown."), metric.WithUnit("{message}"))
	m.bytes, errs[1] = m.meter.Int64Counter("iggy.client.producer.bytes",
		metric.WithDescription("Encoded bytes of messages by outcome."), metric.WithUnit("By"))
	m.size, errs[2] = m.meter.Int64Histogram("iggy.client.producer.batch_messages",
		metric.WithDescription("Messages in one request."), metric.WithUnit("{message}"),
		metric.WithExplicitBucketBoundaries(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000))
	m.latency, errs[3] = m.meter.Float64Histogram("iggy.client.producer.latency",
		metric.WithDescription("From accepting a batch's oldest message to its outcome."), metric.WithUnit("s"),
		telemetry.RequestBuckets())
	m.request, errs[4] = m.meter.Float64Histogram("iggy.client.producer.request.duration",
		metric.WithDescription("Time of one request, by whether it succeeded."), metric.WithUnit("s"),
		telemetry.RequestBuckets())
	m.retries, errs[5] = m.meter.Int64Counter("iggy.client.producer.retries",
		metric.WithDescription("Requests that were made again."), metric.WithUnit("{request}"))
	return m, errors.Join(errs[:]...)
}

// observe registers the instruments that are read at collection time.
func (m *metrics) observe(p *Producer) error {
	if m.meter == nil {
		return nil
	}
	var errs [3]error
	var bytes, messages metric.Int64ObservableGauge
	bytes, errs[0] = m.meter.Int64ObservableGauge("iggy.client.producer.buffered_bytes",
		metric.WithDescription("Encoded bytes of messages without an outcome."), metric.WithUnit("By"))
	messages, errs[1] = m.meter.Int64ObservableGauge("iggy.client.producer.buffered_messages",
		metric.WithDescription("Messages without an outcome."), metric.WithUnit("{message}"))
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	own := m.with()
	m.registration, errs[2] = m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(bytes, p.limit.bytes.Load(), own)
		o.ObserveInt64(messages, p.limit.messages.Load(), own)
		return nil
	}, bytes, messages)
	return errs[2]
}

// close unregisters what observe registered.
func (m *metrics) close() error {
	if m.registration == nil {
		return nil
	}
	return m.registration.Unregister()
}

// with returns the attributes of a measurement.
func (m *metrics) with(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(append(more, m.base...)...))
}

// topicMetrics are the attributes of a topic's measurements, made once.
type topicMetrics struct {
	topic    metric.MeasurementOption
	outcomes [Unknown + 1]metric.MeasurementOption
	requests [2]metric.MeasurementOption // failed, succeeded
}

func (m *metrics) topic(n topicName) topicMetrics {
	if m.meter == nil {
		return topicMetrics{}
	}
	stream, name := attribute.String("stream", n.stream), attribute.String("topic", n.topic)
	with := func(more ...attribute.KeyValue) metric.MeasurementOption {
		return m.with(append(more, stream, name)...)
	}
	t := topicMetrics{topic: with(), requests: [2]metric.MeasurementOption{with(attribute.Bool("ok", false)), with(attribute.Bool("ok", true))}}
	for o := Confirmed; o <= Unknown; o++ {
		t.outcomes[o] = with(attribute.String("outcome", o.String()))
	}
	return t
}
