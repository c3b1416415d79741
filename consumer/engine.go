package consumer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// typed is the side of a consumer that knows the type of its messages.
type typedConsumer interface {
	// decode makes messages of messages, one each, and appends them to dst.
	// What can't be decoded has a cause.
	decode(messages []wire.Message, dst []*message) []*message
	// broken makes the message of a message that can't be decoded because of cause.
	undecodable(m *wire.Message, cause error) *message
	// again makes the message of a message's next delivery, decoded anew: a
	// handler may have changed what it was given.
	nextDelivery(r *message)
	// whenForgotten ends g when nobody has r's message any more.
	onCollected(r *message, g *orphan)
	hasDeadLetters() bool
	// deadLetter writes r to the dead letters; nil means confirmed.
	writeDeadLetter(ctx context.Context, r *message, cause error, code string, attempts int) error
}

// engine is a consumer without the type of its messages: the partitions that it
// owns, and the goroutines that fetch, commit and keep the membership.
type engine struct {
	name            string
	cfg             config.Consumer
	log             *zap.Logger
	link            *link.Link
	newLink         func(name string, more ...link.Option) (*link.Link, error) // for the passing member, which is not measured
	typed           typedConsumer
	identity        transport.Consumer
	grouped         bool
	standalone      Standalone
	storesOffsets   bool // offsets are stored
	ackOnPoll       bool
	batchHandler    bool // messages go to a batch handler
	isolateDecoding bool // messages are decoded in goroutines of their own, since callers of Next take them in
	// commitEvery is the configured number, at least 1; with an interval of 0
	// each grown prefix is stored at once.
	commitEvery int
	redelivery  redeliveryPolicy

	scheduler           scheduler
	inFlight            quota
	prefetch            prefetchLimit
	decompressed        quota
	committer           *committer
	deadLetterTasks     *taskGroup // dead letters being written
	workerTasks         *taskGroup // workers
	hooks               *hooks
	meter               *meter
	maxWorkers          int          // handlers that may run at a time
	workersPerPartition atomic.Int64 // of them in one partition

	// ctx is the life of the consumer; every partition's context comes from it.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// retreats ends when the consumer is to retire, by retreatBegins.
	drainRequested context.Context
	signalDrain    context.CancelFunc
	started        atomic.Bool   // start was called
	membershipDone chan struct{} // closed when the membership has ended
	stopOnce       sync.Once
	stopDone       chan struct{} // closed when a stop is over
	stopErr        error         // how it went
	// kicked wakes the membership's loop: something changed that it must look at.
	wakeup chan struct{}

	mu             sync.Mutex
	assigned       []*partition // by id; replaced, never changed
	firstPartition int
	histories      map[uint32]*history
	pastCounters   counters // of former ownerships
	fetcher        *fetcher
	lastErr        error
	lastErrAt      time.Time
	evictedErr     error // the membership is gone
	joined         bool
	rebalances     int64
	seeks          []seekRequest // Seek, Pause and Resume of partitions
	paused         map[uint32]bool
	drainCtx       context.Context         // ends when what is in hand must be finished; nil before the retirement
	cancelDrain    context.CancelCauseFunc // ends retiring; set with it
	drained        drainResult
}

func newEngine(cfg config.Consumer, o *options, log *zap.Logger, l *link.Link, newLink func(string, ...link.Option) (*link.Link, error), stream, name string) (*engine, error) {
	e := &engine{
		name: telemetry.In(o.cluster, o.name), cfg: cfg, log: log, link: l, newLink: newLink,
		identity: transport.Consumer{Stream: stream, Topic: name, Name: cfg.Group, Group: true},
		grouped:  true, storesOffsets: true,
		ackOnPoll:       cfg.AckMode == config.AckOnPoll,
		commitEvery:     max(cfg.CommitEvery, 1),
		redelivery:      redeliveryPolicy{maxDeliveries: cfg.Retry.MaxDeliveries, backoff: cfg.Retry.Backoff},
		maxWorkers:      cfg.Concurrency,
		committer:       newCommitter(),
		deadLetterTasks: newTaskGroup(),
		workerTasks:     newTaskGroup(),
		hooks:           newHooks(log),
		wakeup:          make(chan struct{}, 1),
		membershipDone:  make(chan struct{}),
		stopDone:        make(chan struct{}),
		histories:       map[uint32]*history{},
		paused:          map[uint32]bool{},
	}
	if cfg.CommitInterval == 0 {
		e.commitEvery = 1
	}
	if s := o.standalone; s != nil {
		e.standalone, e.grouped, e.storesOffsets = *s, false, s.Name != ""
		e.identity.Group, e.identity.Name = false, s.Name
		if s.Name == "" {
			e.identity.Name = anonymousName
		}
	} else {
		e.log = log.With(zap.String("group", cfg.Group))
	}
	if e.maxWorkers <= 0 {
		e.maxWorkers = cfg.MaxInFlight
	}
	e.maxWorkers = min(e.maxWorkers, cfg.MaxInFlight)
	e.workersPerPartition.Store(int64(e.maxWorkers))
	e.inFlight.limit = cfg.MaxInFlight
	e.prefetch.setLimit(amount{messages: cfg.MaxInFlight, bytes: int(cfg.MaxBufferedBytes)})
	e.decompressed.limit = int(cfg.MaxBufferedBytes)
	e.hooks.calls = o.hooks
	e.ctx, e.cancel = context.WithCancelCause(context.Background())
	e.drainRequested, e.signalDrain = context.WithCancel(context.Background())
	var err error
	e.meter, err = newMeter(o.meters, e, o.name, o.cluster)
	return e, err
}

// start runs the membership and the commits.
func (e *engine) start() {
	e.started.Store(true)
	commits, cancel := context.WithCancel(e.ctx)
	committed := make(chan struct{})
	go func() {
		defer close(committed)
		e.committer.run(commits, e)
	}()
	go func() {
		defer close(e.membershipDone)
		e.runMemberships()
		cancel()
		<-committed
	}()
}

// recall gives what is remembered of a partition.
func (e *engine) history(id uint32) *history {
	e.mu.Lock()
	defer e.mu.Unlock()
	h, ok := e.histories[id]
	if !ok {
		h = newHistory(e.cfg.DedupWindow, e.cfg.BatchSize)
		e.histories[id] = h
	}
	return h
}

// note remembers the last thing that went wrong, for the status.
func (e *engine) setLastError(err error) {
	e.mu.Lock()
	e.lastErr, e.lastErrAt = err, time.Now()
	e.mu.Unlock()
}

// fetchMore wakes the fetchers of the present session.
func (e *engine) wakePollers() {
	e.mu.Lock()
	f := e.fetcher
	e.mu.Unlock()
	if f != nil {
		f.wakePollers()
	}
}

// kick wakes the membership's loop.
func (e *engine) wakeMembership() {
	select {
	case e.wakeup <- struct{}{}:
	default:
	}
}

// gone tells whether err means that the membership, or what it is in, is gone.
func (e *engine) isMembershipGone(err error) bool {
	return e.grouped && (errors.Is(err, iggyerr.ErrNotMember) || errors.Is(err, iggyerr.ErrNotFound))
}
