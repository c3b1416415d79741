package consumer

import (
	"context"
	"maps"
	"slices"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Option changes a Consumer while New makes it.
type Option func(*options)

type options struct {
	name       string
	cluster    string
	log        *zap.Logger
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	standalone *Standalone
	hooks      [3]func(ctx context.Context, partitions []uint32)
	onHandler  []func()
	parking    topic.RawSender // nil: none

	waitsForProvisioning bool
	dialer               transport.Dialer   // of a test, in place of the configured transport
	cipher               topic.HeaderCipher // of the topic's codec
}

// WithName sets the consumer's name in logs, metrics, health and errors; the default is the topic's
// name.
func WithName(name string) Option { return func(o *options) { o.name = name } }

// WithCluster sets the name of the consumer's cluster, for applications that use several: it is
// iggy.cluster in metrics, and stands before the consumer's name in logs, health and errors. The
// default is none, which metrics show as "default".
func WithCluster(name string) Option { return func(o *options) { o.cluster = name } }

// WithLogger sets the logger; nil, the default, means none. Payloads are never logged.
func WithLogger(log *zap.Logger) Option { return func(o *options) { o.log = log } }

// WithTracerProvider has a span made for each call of a handler, linked to the span that published
// the message. The default makes none.
func WithTracerProvider(p trace.TracerProvider) Option { return func(o *options) { o.tracers = p } }

// WithMeterProvider sets where the metrics go. By default there are none.
func WithMeterProvider(p metric.MeterProvider) Option { return func(o *options) { o.meters = p } }

// OnAssigned sets a hook that gets the partitions that are newly assigned to this consumer. All
// hooks of a consumer are called one after another, in order, by a goroutine for which nothing else
// waits: they may block, and may call the consumer. The assignment may have changed again when a
// hook is called. Stop waits at most a second for a hook.
func OnAssigned(hook func(ctx context.Context, partitions []uint32)) Option {
	return func(o *options) { o.hooks[hookAssigned] = hook }
}

// OnRevoked sets a hook that gets the partitions that were handed over to other members with all
// their messages settled and committed; see OnAssigned.
func OnRevoked(hook func(ctx context.Context, partitions []uint32)) Option {
	return func(o *options) { o.hooks[hookRevoked] = hook }
}

// OnLost sets a hook that gets the partitions that were lost: their messages in flight, if any, are
// delivered again, here or to another member; see OnAssigned.
func OnLost(hook func(ctx context.Context, partitions []uint32)) Option {
	return func(o *options) { o.hooks[hookLost] = hook }
}

// WaitForProvisioning has Start, Next and Messages wait for a topic or a group that is missing, in place
// of returning an error: someone else creates them. fxiggy does that for its consumers.
func WaitForProvisioning() Option { return func(o *options) { o.waitsForProvisioning = true } }

// OnHandler adds a hook that Handle and HandleBatch call when they have set the handler. fxiggy
// uses it to start the consumer only if it has a handler.
func OnHandler(hook func()) Option {
	return func(o *options) {
		if hook != nil {
			o.onHandler = append(o.onHandler, hook)
		}
	}
}

// WithStandalone makes a consumer that belongs to no group: the Group of its configuration is not
// used, and it reads the partitions that s names, whoever else does.
func WithStandalone(s Standalone) Option {
	s.Partitions, s.Starts = slices.Clone(s.Partitions), maps.Clone(s.Starts)
	return func(o *options) { o.standalone = &s }
}
