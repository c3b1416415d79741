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
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Producer sends messages. All methods are safe for concurrent use. Make one with
// New, then Start it; Stop ends it for good.
type Producer struct {
	name           string // with the cluster's
	cfg            config.Producer
	log            *zap.Logger
	dialer         transport.Dialer // nil means the configured one
	partitioner    Partitioner      // nil means the server's way
	packings       map[topicName]packing
	links          []*link.Link
	retry          retryPolicy
	ceiling        *ceiling
	metrics        *metrics
	tracing        tracing
	began          time.Time
	requestTimeout time.Duration
	midnight       atomic.Int64 // the time of day when the clock was 0, in nanoseconds since the epoch
	direct         bool         // a waiting caller may send its message itself
	pool           sync.Pool    // of *batch
	waiters        sync.Pool    // of *waiter

	// closing ends when Stop begins: nothing is accepted any more, and those who wait
	// to be accepted leave. run ends when the senders must.
	closing   context.Context
	close     context.CancelCauseFunc
	run       context.Context
	cancelRun context.CancelCauseFunc

	senders    sync.WaitGroup
	sendersMu  sync.Mutex
	noSenders  bool // no more of them may start
	background sync.WaitGroup

	phase   atomic.Int32
	startMu sync.Mutex // held by Start and Stop

	topics     atomic.Pointer[map[topicName]*topicState] // replaced when one is added or forgotten
	lastTopic  atomic.Pointer[topicState]                // the one that was asked for last
	topicsMu   sync.Mutex                                // held to change topics
	topicCount int                                       // that were added
	forgotten  atomic.Uint64                             // failed messages of topics that were forgotten

	retries atomic.Uint64
	moves   atomic.Uint64 // batches whose messages went to other partitions
	lastErr atomic.Pointer[noted]
}

// The phases of a producer.
const (
	phaseNew int32 = iota
	phaseRunning
	phaseClosed
)

// New makes a producer for one cluster. It reads the secret and certificate files
// that cluster names, does no other I/O and starts nothing. Its connections, of
// which cfg says how many, are its own.
func New(cluster config.Iggy, cfg config.Producer, opts ...Option) (*Producer, error) {
	p := &Producer{cfg: cfg, log: zap.NewNop(), packings: map[topicName]packing{}, began: time.Now()}
	o := options{name: defaultName}
	for _, opt := range opts {
		opt(&o)
	}
	if err := o.apply(p, cluster.Address()); err != nil {
		return nil, err
	}
	if err := check(cfg); err != nil {
		return nil, err
	}
	p.setWall()
	p.requestTimeout = cluster.RequestTimeout
	p.direct = cluster.Transport == config.TransportNative && cfg.Linger <= 0 && cfg.DeliveryTimeout > p.requestTimeout
	p.closing, p.close = context.WithCancelCause(context.Background())
	p.run, p.cancelRun = context.WithCancelCause(context.Background())
	p.ceiling = newCeiling(p.closing, int64(cfg.MaxBufferedBytes), int64(cfg.MaxBufferedMessages), cfg.WhenFull == config.WhenFullFail, p.hurry)
	p.retry = newRetryPolicy(cfg.Retry.Backoff)
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

// check refuses what would make the producer hang or divide by zero; the rest is
// the configuration's own matter.
func check(cfg config.Producer) error {
	var errs []error
	positive := func(key string, n int64) {
		if n < 1 {
			errs = append(errs, fmt.Errorf("producer.%s: must be 1 or more", key))
		}
	}
	positive("connections", int64(cfg.Connections))
	positive("max_batch_messages", int64(cfg.MaxBatchMessages))
	positive("max_batch_bytes", int64(cfg.MaxBatchBytes))
	positive("max_buffered_bytes", int64(cfg.MaxBufferedBytes))
	positive("max_buffered_messages", int64(cfg.MaxBufferedMessages))
	positive("delivery_timeout", int64(cfg.DeliveryTimeout))
	positive("metadata_interval", int64(cfg.MetadataInterval))
	return errors.Join(errs...)
}

// Start connects, waiting for all connections within ctx and the cluster's start
// timeout. A start that failed has released everything, and the producer is
// closed. A Stop ends it with iggyerr.ErrClosed. Starting a started producer does
// nothing; a stopped one returns iggyerr.ErrClosed.
func (p *Producer) Start(ctx context.Context) error {
	p.startMu.Lock()
	defer p.startMu.Unlock()
	switch p.phase.Load() {
	case phaseRunning:
		return nil
	case phaseClosed:
		return iggyerr.ErrClosed
	}
	starting, stop := until(ctx, p.closing)
	defer stop()
	errs := make([]error, len(p.links))
	var wg sync.WaitGroup
	for i, l := range p.links {
		wg.Go(func() { errs[i] = l.Start(starting) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		if p.closing.Err() != nil {
			err = errors.Join(iggyerr.ErrClosed, err)
		}
		p.phase.Store(phaseClosed)
		p.close(iggyerr.ErrClosed)
		p.cancelRun(iggyerr.ErrClosed)
		for _, l := range p.links {
			_ = l.Stop(context.WithoutCancel(ctx))
		}
		return fmt.Errorf("iggy: start %s: %w", p.name, errors.Join(err, p.metrics.close()))
	}
	p.background.Add(1)
	go p.watchMetadata(p.run)
	p.phase.Store(phaseRunning)
	return nil
}

// running tells why nothing can be sent now.
func (p *Producer) running() error {
	switch p.phase.Load() {
	case phaseRunning:
		return nil
	case phaseClosed:
		return iggyerr.ErrClosed
	default:
		return fmt.Errorf("producer is not started: %w", iggyerr.ErrNotConnected)
	}
}

// linkOf spreads the partitions of all topics over the connections.
func (p *Producer) linkOf(t *topicState, partition uint32) *link.Link {
	return p.links[(uint64(t.index)+uint64(partition))%uint64(len(p.links))]
}

// hurry ends lingering: someone waits for what it holds back.
func (p *Producer) hurry() {
	if p.cfg.Linger <= 0 {
		return
	}
	for _, t := range p.topicList() {
		for _, part := range t.all() {
			part.hurry()
		}
	}
}
