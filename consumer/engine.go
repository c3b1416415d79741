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

// typedConsumer is the part of a consumer that knows the type of its messages.
type typedConsumer interface {
	// decode appends the state of each message to dst. The state of a message that can't be
	// decoded has a cause.
	decode(messages []wire.Message, dst []*message) []*message
	// undecodable returns the state of a message that can't be decoded because of cause.
	undecodable(m *wire.Message, cause error) *message
	// nextDelivery makes the Message of msg's next delivery. It decodes the payload anew, since a
	// handler may have changed the value.
	nextDelivery(msg *message)
	// onCollected ends o when the application has no reference to msg's Message any more.
	onCollected(msg *message, o *orphan)
	hasDeadLetters() bool
	// writeDeadLetter writes msg to the dead letters; nil means confirmed.
	writeDeadLetter(ctx context.Context, msg *message, cause error, code string, attempts int) error
}

// engine is a consumer without the type of its messages: the assigned partitions, and the
// goroutines that fetch, deliver, commit and keep the membership.
type engine struct {
	name            string
	cfg             config.Consumer
	log             *zap.Logger
	link            *link.Link
	newLink         func(name string, more ...link.Option) (*link.Link, error) // for the transient member, which is not measured
	typed           typedConsumer
	identity        transport.Consumer
	grouped         bool
	standalone      Standalone
	storesOffsets   bool
	ackOnPoll       bool
	batchHandler    bool // messages go to a batch handler
	isolateDecoding bool // messages are decoded in goroutines of their own, since callers of Next admit them
	// commitEvery is the configured number, at least 1. With a commit interval of 0, each longer
	// prefix is committed at once.
	commitEvery int
	redelivery  redeliveryPolicy

	scheduler           scheduler
	inFlight            quota         // messages
	prefetch            prefetchLimit // messages and bytes
	decompressed        quota         // bytes
	committer           *committer
	deadLetterTasks     *taskGroup
	workerTasks         *taskGroup
	hooks               *hooks
	meter               *meter
	maxWorkers          int          // handlers that may run at a time
	workersPerPartition atomic.Int64 // of them in one partition

	// ctx is the life of the consumer; every partition's context comes from it.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// drainRequested ends when a drain is requested, by signalDrain.
	drainRequested context.Context
	signalDrain    context.CancelFunc
	started        atomic.Bool   // start was called
	membershipDone chan struct{} // closed when runMemberships has returned

	// wakeup wakes the membership's loop, which holds one token.
	wakeup chan struct{}

	mu             sync.Mutex
	assigned       []*partition // by id; replaced, never changed
	firstPartition int          // index of the partition that is polled first
	histories      map[uint32]*history
	pastCounters   counters // of earlier assignments
	fetcher        *fetcher
	lastErr        error
	lastErrAt      time.Time
	evictedErr     error // why the membership is gone
	joined         bool
	rebalances     int64
	seeks          []seekRequest
	paused         map[uint32]bool
	drainCtx       context.Context         // ends when messages in flight must be finished; nil before a drain
	cancelDrain    context.CancelCauseFunc // ends drainCtx; set with it
	drained        drainResult
}

func newEngine(cfg config.Consumer, o *options, log *zap.Logger, l *link.Link, newLink func(string, ...link.Option) (*link.Link, error), stream, name string) (*engine, error) {
	e := &engine{
		name: telemetry.QualifiedName(o.cluster, o.name), cfg: cfg, log: log, link: l, newLink: newLink,
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

		histories: map[uint32]*history{},
		paused:    map[uint32]bool{},
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

// start starts the goroutines of the membership and of the commits.
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

// history returns what is remembered of a partition.
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

// setLastError remembers the latest error for the status.
func (e *engine) setLastError(err error) {
	e.mu.Lock()
	e.lastErr, e.lastErrAt = err, time.Now()
	e.mu.Unlock()
}

// wakePollers wakes the pollers of the present session.
func (e *engine) wakePollers() {
	e.mu.Lock()
	f := e.fetcher
	e.mu.Unlock()
	if f != nil {
		f.wakePollers()
	}
}

// wakeMembership wakes the membership's loop.
func (e *engine) wakeMembership() {
	select {
	case e.wakeup <- struct{}{}:
	default:
	}
}

// isMembershipGone reports whether err means that the membership, its group or its topic is gone.
func (e *engine) isMembershipGone(err error) bool {
	return e.grouped && (errors.Is(err, iggyerr.ErrNotMember) || errors.Is(err, iggyerr.ErrNotFound))
}
