package producer

import (
	"context"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Option changes a Producer while New makes it.
type Option func(*options)

// options collects what the options of New set.
type options struct {
	name        string
	cluster     string
	log         *zap.Logger
	tracers     trace.TracerProvider
	meters      metric.MeterProvider
	partitioner Partitioner
	dialer      transport.Dialer // nil means the configured one; only tests set it
	middleware  []Middleware

	onMissingTopic func(ctx context.Context, stream, topic string) error
}

// defaultName is the name of a producer that was given none.
const defaultName = "producer"

// WithName sets the name of the producer in logs, metrics and errors, to tell several producers of
// a process apart. The default is "producer". The connections are called NAME-0 and so on.
func WithName(name string) Option { return func(o *options) { o.name = name } }

// WithCluster names the cluster that the producer sends to, for applications that use several
// clusters. The name is the metrics' attribute iggy.cluster, and it precedes the producer's name in
// logs and errors. Without it the attribute is "default".
func WithCluster(name string) Option { return func(o *options) { o.cluster = name } }

// WithLogger sets the logger; nil means none.
func WithLogger(log *zap.Logger) Option { return func(o *options) { o.log = log } }

// WithTracerProvider enables a span for each call that sends; nil disables spans. The W3C trace
// context of the call's context is sent in the messages' headers either way.
func WithTracerProvider(tp trace.TracerProvider) Option { return func(o *options) { o.tracers = tp } }

// WithMeterProvider enables metrics; nil disables them.
func WithMeterProvider(mp metric.MeterProvider) Option { return func(o *options) { o.meters = mp } }

// WithPartitioner sets how partitions are chosen for messages without an explicit one; nil means as
// the server does it. Messages whose partition a Partitioner chose fail when that partition is
// deleted before they are sent.
func WithPartitioner(partitioner Partitioner) Option {
	return func(o *options) { o.partitioner = partitioner }
}

// OnMissingTopic sets a function that creates a topic that a message is for and that does not
// exist, or not any more. When it returns nil, the producer reads the topic's metadata again and
// sends the message. An error that iggyerr.IsRetryable reports as such is retried within the limits
// of the message. Without the function, and after any other error, the message fails with
// iggyerr.ErrNotFound. The function is called by several goroutines, and must return when ctx ends.
func OnMissingTopic(create func(ctx context.Context, stream, topic string) error) Option {
	return func(o *options) { o.onMissingTopic = create }
}

// logger returns the producer's logger. It carries the producer's name unless that is the default.
func (o *options) logger() *zap.Logger {
	if o.log == nil {
		return zap.NewNop()
	}
	log := o.log.Named("producer")
	if name := telemetry.QualifiedName(o.cluster, o.name); name != defaultName {
		log = log.With(zap.String("producer", name))
	}
	return log
}

// link returns the options of the producer's links.
func (o *options) link(log *zap.Logger) []link.Option {
	opts := []link.Option{link.WithLogger(log), link.WithMeterProvider(o.meters, o.cluster)}
	if o.dialer != nil {
		opts = append(opts, link.WithDialer(o.dialer))
	}
	return opts
}
