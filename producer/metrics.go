package producer

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
)

// metrics are the producer's instruments. Without a meter provider all of it does
// nothing. Instruments are touched once per batch, not once per message.
type metrics struct {
	meter    metric.Meter // nil means none
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
	m := &metrics{meter: mp.Meter(scope), base: []attribute.KeyValue{attribute.String("producer", name), telemetry.Cluster(cluster)}}
	var errs [6]error
	m.messages, errs[0] = m.meter.Int64Counter("fetchbox_producer_messages_total",
		metric.WithDescription("Messages by outcome: confirmed, failed, unknown."), metric.WithUnit("{message}"))
	m.bytes, errs[1] = m.meter.Int64Counter("fetchbox_producer_bytes_total",
		metric.WithDescription("Encoded bytes of messages by outcome."), metric.WithUnit("By"))
	m.size, errs[2] = m.meter.Int64Histogram("fetchbox_producer_batch_messages",
		metric.WithDescription("Messages in one request."), metric.WithUnit("{message}"),
		metric.WithExplicitBucketBoundaries(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000))
	m.latency, errs[3] = m.meter.Float64Histogram("fetchbox_producer_latency_seconds",
		metric.WithDescription("From accepting a batch's oldest message to its outcome."), metric.WithUnit("s"),
		telemetry.RequestSeconds())
	m.request, errs[4] = m.meter.Float64Histogram("fetchbox_producer_request_seconds",
		metric.WithDescription("Time of one request, by whether it succeeded."), metric.WithUnit("s"),
		telemetry.RequestSeconds())
	m.retries, errs[5] = m.meter.Int64Counter("fetchbox_producer_retries_total",
		metric.WithDescription("Requests that were made again."), metric.WithUnit("{request}"))
	return m, errors.Join(errs[:]...)
}

// observe registers what is read when it is collected.
func (m *metrics) observe(p *Producer) error {
	if m.meter == nil {
		return nil
	}
	var errs [3]error
	var bytes, messages metric.Int64ObservableGauge
	bytes, errs[0] = m.meter.Int64ObservableGauge("fetchbox_producer_buffered_bytes",
		metric.WithDescription("Encoded bytes of messages without an outcome."), metric.WithUnit("By"))
	messages, errs[1] = m.meter.Int64ObservableGauge("fetchbox_producer_buffered_messages",
		metric.WithDescription("Messages without an outcome."), metric.WithUnit("{message}"))
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	own := m.with()
	m.registration, errs[2] = m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(bytes, p.ceiling.bytes.Load(), own)
		o.ObserveInt64(messages, p.ceiling.messages.Load(), own)
		return nil
	}, bytes, messages)
	return errs[2]
}

// close ends what observe began.
func (m *metrics) close() error {
	if m.registration == nil {
		return nil
	}
	return m.registration.Unregister()
}

// with are the attributes of a measurement.
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

// settled counts n messages of b with their outcome.
func (p *Producer) settled(t *topicState, b *batch, n int, bytes int64, outcome Outcome) {
	t.count(n, outcome)
	if m := p.metrics; m.meter != nil {
		ctx := context.Background()
		m.messages.Add(ctx, int64(n), t.metrics.outcomes[outcome])
		m.bytes.Add(ctx, bytes, t.metrics.outcomes[outcome])
		m.latency.Record(ctx, time.Duration(p.clock()-b.messages[0].accepted).Seconds(), t.metrics.outcomes[outcome])
	}
}

func (t *topicState) count(n int, outcome Outcome) {
	switch outcome {
	case Confirmed:
		t.confirmed.Add(uint64(n))
	case Failed:
		t.failed.Add(uint64(n))
	case Unknown:
		t.unknown.Add(uint64(n))
	}
}

// lost are the accepted messages that were not confirmed so far.
func (t *topicState) lost() counts {
	return counts{failed: t.failed.Load(), unknown: t.unknown.Load()}
}

// refuse counts a message that was not accepted, and makes its error.
func (t *topicState) refuse(partition int64, cause error) error {
	t.withdrawn(1)
	return t.failure(partition, Failed, cause)
}

// gaveUpWaiting is refuse for a message that waited to be accepted. If a stop has ended
// that, the message counts among those that the stop has left.
func (t *topicState) gaveUpWaiting(cause error) error {
	if !errors.Is(cause, iggyerr.ErrClosed) {
		return t.refuse(-1, cause)
	}
	t.count(1, Failed)
	t.measureFailed(1)
	return t.failure(-1, Failed, cause)
}

// withdrawn counts messages that failed without having been sent.
func (t *topicState) withdrawn(n int) {
	t.refused.Add(uint64(n))
	t.measureFailed(n)
}

func (t *topicState) measureFailed(n int) {
	if m := t.producer.metrics; m.meter != nil {
		m.messages.Add(context.Background(), int64(n), t.metrics.outcomes[Failed])
	}
}

func (t *topicState) failure(partition int64, outcome Outcome, cause error) error {
	return &SendError{Stream: t.stream, Topic: t.name, Partition: partition, Outcome: outcome, Err: cause}
}

// requested notes a request that was made.
func (p *Producer) requested(t *topicState, partition uint32, b *batch, elapsed time.Duration, err error) {
	if m := p.metrics; m.meter != nil {
		ok := 0
		if err == nil {
			ok = 1
		}
		ctx := context.Background()
		m.request.Record(ctx, elapsed.Seconds(), t.metrics.requests[ok])
		m.size.Record(ctx, int64(b.len()), t.metrics.topic)
	}
	if err != nil {
		p.noteError(err)
		p.log.Warn("request failed", zap.String("stream", t.stream), zap.String("topic", t.name), zap.Uint32("partition", partition),
			zap.Int("attempt", b.attempts), zap.Int("count", b.len()), zap.Duration("elapsed", elapsed), zap.Error(err))
		return
	}
	if entry := p.log.Check(zap.DebugLevel, "batch confirmed"); entry != nil {
		entry.Write(zap.String("stream", t.stream), zap.String("topic", t.name), zap.Uint32("partition", partition),
			zap.Int("attempt", b.attempts), zap.Int("count", b.len()), zap.Int("bytes", b.wire.Size()), zap.Duration("elapsed", elapsed))
	}
}

// retried counts a request that is made again.
func (p *Producer) retried(t *topicState) {
	p.retries.Add(1)
	if m := p.metrics; m.meter != nil {
		m.retries.Add(context.Background(), 1, t.metrics.topic)
	}
}
