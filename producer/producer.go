package producer

import (
	"context"
	"errors"
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
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Producer sends messages. Create it with New, then Start it; Stop ends it for good. All methods
// are safe for concurrent use.
type Producer struct {
	name           string // with the cluster's name in front
	cfg            config.Producer
	log            *zap.Logger
	dialer         transport.Dialer // nil means the configured one
	partitioner    Partitioner      // nil means as the server does it
	compressors    map[topicName]compressor
	onMissingTopic func(ctx context.Context, stream, topic string) error // nil means none
	links          []*link.Link
	retry          *retry.Policy
	limit          *bufferLimit
	metrics        *metrics
	tracing        tracing
	created        time.Time
	requestTimeout time.Duration
	wallBase       atomic.Int64 // wall time when now() was 0, in nanoseconds since the Unix epoch
	direct         bool         // a caller that waits may send its message itself
	pool           sync.Pool    // of *batch
	waiters        sync.Pool    // of *waiter

	// life.Context ends when Stop begins: no message is accepted any more, and callers that wait for
	// room return. run ends when the senders must end.
	life      *startstop.Lifecycle
	run       context.Context
	cancelRun context.CancelCauseFunc

	senders       sync.WaitGroup
	sendersMu     sync.Mutex
	sendersClosed bool // no sender may start any more
	background    sync.WaitGroup

	topics          atomic.Pointer[map[topicName]*topicState] // copied on write
	lastTopic       atomic.Pointer[topicState]                // cache of the topic used last
	topicsMu        sync.Mutex                                // guards changes of topics
	topicCount      int                                       // topics ever added
	evictedFailures atomic.Uint64                             // failed messages of evicted topics

	retries  atomic.Uint64
	reroutes atomic.Uint64 // batches whose messages moved to other partitions
	lastErr  atomic.Pointer[lastFailure]
}

// New creates a producer for one cluster. It reads the secret and certificate files that cluster
// names, does no other I/O and starts nothing. The producer opens cfg.Connections connections of
// its own. New returns an error that names every fault of cfg, as cfg.Validate does.
func New(cluster config.Iggy, cfg config.Producer, opts ...Option) (*Producer, error) {
	p := &Producer{cfg: cfg, log: zap.NewNop(), compressors: map[topicName]compressor{}, created: time.Now()}
	o := options{name: defaultName}
	if err := argument.Apply(&o, opts); err != nil {
		return nil, err
	}
	if err := o.apply(p, cluster.Address()); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p.syncWallClock()
	p.requestTimeout = cluster.RequestTimeout
	p.direct = cluster.Transport == config.TransportNative && cfg.Linger <= 0 && cfg.DeliveryTimeout > p.requestTimeout
	p.life = startstop.New(p.start, p.stop)
	p.run, p.cancelRun = context.WithCancelCause(context.Background())
	p.limit = newBufferLimit(p.life.Context(), int64(cfg.MaxBufferedBytes), int64(cfg.MaxBufferedMessages), cfg.WhenFull == config.WhenFullFail, p.endLinger)
	p.retry = retry.New(cfg.Retry.Backoff, retry.If(shouldRetry))
	p.topics.Store(&map[topicName]*topicState{})
	for i := range cfg.Connections {
		options := []link.Option{link.WithLogger(p.log), link.WithMeterProvider(o.meters, o.cluster)}
		if p.dialer != nil {
			options = append(options, link.WithDialer(p.dialer))
		}
		l, err := link.New(fmt.Sprintf("%s-%d", p.name, i), cluster, options...)
		if err != nil {
			return nil, err
		}
		p.links = append(p.links, l)
	}
	return p, p.metrics.observe(p)
}

// Start connects and waits for all connections, within ctx and the cluster's start timeout. A failed
// start releases everything and closes the producer. A concurrent Stop ends Start with
// iggyerr.ErrClosed. Start does nothing on a running producer and returns iggyerr.ErrClosed on a
// stopped one.
func (p *Producer) Start(ctx context.Context) error { return p.life.Start(ctx) }

// start connects. It is called once, and not at the same time as stop.
func (p *Producer) start(ctx context.Context) error {
	errs := make([]error, len(p.links))
	var wg sync.WaitGroup
	for i, l := range p.links {
		wg.Go(func() { errs[i] = l.Start(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("iggy: start %s: %w", p.name, err)
	}
	p.background.Add(1)
	go p.watchMetadata(p.run)
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

// linkFor returns the connection of a partition. It spreads the partitions of all topics over the
// connections.
func (p *Producer) linkFor(t *topicState, partition uint32) *link.Link {
	return p.links[(uint64(t.index)+uint64(partition))%uint64(len(p.links))]
}
