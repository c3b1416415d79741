package producer

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/retry"
	"github.com/fetchbox/fetchbox-iggy/internal/startstop"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
)

// Producer sends messages. Create it with New, then Start it; Stop ends it for good. All methods
// are safe for concurrent use.
type Producer struct {
	name           string // with the cluster's name in front
	cfg            config.Producer
	requestTimeout time.Duration
	direct         bool // a caller that waits may send its message itself
	log            *zap.Logger
	tracing        tracing
	stats          stats
	clock          *clock
	partitioner    Partitioner // nil means as the server does it
	middleware     []Middleware
	onMissingTopic func(ctx context.Context, stream, topic string) error // nil means none
	retry          *retry.Policy
	connections    connections
	topics         *topicSet
	limit          *bufferLimit
	memory         batchMemory
	waiters        sync.Pool     // of *waiter
	reroutes       atomic.Uint64 // batches whose messages moved to other partitions

	// life.Context ends when Stop begins: no message is accepted any more, and callers that wait
	// for room return. The context of tasks ends when the senders must end.
	life  *startstop.Lifecycle
	tasks *taskGroup
}

// New creates a producer for one cluster. It reads the secret and certificate files that cluster
// names, does no other I/O and starts nothing. The producer opens cfg.Connections connections of
// its own. New returns an error that names every fault of cfg, as cfg.Validate does.
func New(cluster config.Iggy, cfg config.Producer, opts ...Option) (*Producer, error) {
	o := options{name: defaultName}
	if err := argument.Apply(&o, opts); err != nil {
		return nil, err
	}
	instruments, err := newMetrics(o.meters, o.name, o.cluster)
	if err != nil {
		return nil, err
	}
	if err := o.checkMiddleware(); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Producer{
		name:           telemetry.QualifiedName(o.cluster, o.name),
		cfg:            cfg,
		requestTimeout: cluster.RequestTimeout,
		direct:         cluster.Transport == config.TransportNative && cfg.Linger <= 0 && cfg.DeliveryTimeout > cluster.RequestTimeout,
		log:            o.logger(),
		tracing:        tracing{telemetry.NewTracer(o.tracers, instrumentationScope, telemetry.Send, o.cluster, cluster.Address())},
		clock:          newClock(),
		partitioner:    o.partitioner,
		middleware:     o.middleware,
		onMissingTopic: o.onMissingTopic,
		retry:          retry.New(cfg.Retry.Backoff, retry.If(shouldRetry)),
		tasks:          newTaskGroup(),
	}
	p.stats.log, p.stats.metrics, p.stats.clock = p.log, instruments, p.clock
	p.life = startstop.New(p.start, p.stop)
	p.limit = newBufferLimit(p.life.Context().Done(), int64(cfg.MaxBufferedBytes), int64(cfg.MaxBufferedMessages), cfg.WhenFull == config.WhenFullFail, p.endLinger)
	p.memory.limit = p.limit
	p.topics = newTopicSet(p.clock, func(n topicName, index int) *topicState { return newTopicState(p, n, index) })
	for i := range cfg.Connections {
		l, err := link.New(fmt.Sprintf("%s-%d", p.name, i), cluster, o.link(p.log)...)
		if err != nil {
			return nil, err
		}
		p.connections = append(p.connections, &connection{Link: l})
	}
	return p, instruments.observe(p)
}

// Start connects and waits for all connections, within ctx and the cluster's start timeout. A
// failed start releases everything and closes the producer. A concurrent Stop ends Start with
// iggyerr.ErrClosed. Start does nothing on a running producer and returns iggyerr.ErrClosed on a
// stopped one.
func (p *Producer) Start(ctx context.Context) error { return p.life.Start(ctx) }

// start connects. It is called once, and not at the same time as stop.
func (p *Producer) start(ctx context.Context) error {
	if err := p.connections.start(ctx); err != nil {
		return fmt.Errorf("iggy: start %s: %w", p.name, err)
	}
	if p.tasks.add() {
		go p.watchMetadata(p.tasks.ctx)
	}
	return nil
}

// running returns nil while messages can be sent, and otherwise why not.
func (p *Producer) running() error {
	switch p.life.State() {
	case startstop.StateStarted:
		return nil
	case startstop.StateStopping, startstop.StateStopped:
		return iggyerr.ErrClosed
	default:
		return fmt.Errorf("producer is not started: %w", iggyerr.ErrNotConnected)
	}
}
