package producer

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Option changes a Producer while New makes it.
type Option func(*options)

type options struct {
	name        string
	cluster     string
	log         *zap.Logger
	tracers     trace.TracerProvider
	meters      metric.MeterProvider
	partitioner Partitioner
	dialer      transport.Dialer
	topics      []topicOptions
}

// defaultName is the name of a producer that was given none.
const defaultName = "producer"

type topicOptions struct {
	topicName
	compression config.Compression
	minSize     config.Bytes
}

// WithName sets the name by which logs, metrics and errors call the producer, to tell several in
// one process apart; the default is "producer". Its connections are called NAME-0 and so on.
func WithName(name string) Option { return func(o *options) { o.name = name } }

// WithCluster names the cluster that the producer sends to, for applications that use
// several: metrics have it as iggy.cluster, and it goes before the producer's name in logs and
// errors. Without it metrics say "default".
func WithCluster(name string) Option { return func(o *options) { o.cluster = name } }

// WithLogger sets the logger; nil means none.
func WithLogger(log *zap.Logger) Option { return func(o *options) { o.log = log } }

// WithTracerProvider turns on a span for each call that sends, and nil turns it
// off. The W3C trace context of a call's context travels in the messages' headers
// either way.
func WithTracerProvider(tp trace.TracerProvider) Option { return func(o *options) { o.tracers = tp } }

// WithMeterProvider turns on metrics, and nil turns them off.
func WithMeterProvider(mp metric.MeterProvider) Option { return func(o *options) { o.meters = mp } }

// WithPartitioner replaces the way in which partitions are chosen for messages
// without an explicit one; nil means the server's way. Messages that a Partitioner
// placed fail when their partition is deleted before they were sent.
func WithPartitioner(choose Partitioner) Option { return func(o *options) { o.partitioner = choose } }

// WithCompression compresses the payloads of a topic that have at least minSize
// bytes and get smaller by it, and says so in their content-encoding header. The
// default is no compression. Messages that have a content-encoding of their own must not
// be sent to such a topic.
func WithCompression(stream, topic string, c config.Compression, minSize config.Bytes) Option {
	return func(o *options) {
		o.topics = append(o.topics, topicOptions{topicName{stream, topic}, c, minSize})
	}
}

// WithDialer replaces the transport that the configuration names. It is for tests
// within this module.
func WithDialer(d transport.Dialer) Option { return func(o *options) { o.dialer = d } }

func (o *options) apply(p *Producer, address string) error {
	p.name = telemetry.In(o.cluster, o.name)
	if o.log != nil {
		p.log = o.log.Named("producer")
		if p.name != defaultName {
			p.log = p.log.With(zap.String("producer", p.name))
		}
	}
	p.dialer, p.partitioner = o.dialer, o.partitioner
	p.tracing.tracer = telemetry.NewTracer(o.tracers, scope, telemetry.Send, o.cluster, address)
	var errs []error
	for _, t := range o.topics {
		if _, err := encoding.Append(nil, t.compression, nil); err != nil {
			errs = append(errs, fmt.Errorf("compression of %s/%s: %w", t.stream, t.topic, err))
		}
		p.packings[t.topicName] = newPacking(t.compression, int(t.minSize))
	}
	var err error
	p.metrics, err = newMetrics(o.meters, o.name, o.cluster)
	return errors.Join(append(errs, err)...)
}
