package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
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

// turn gives the owned partitions and whose turn is first.
func (e *engine) roundRobin() ([]*partition, int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.assigned) == 0 {
		return nil, 0
	}
	e.firstPartition = (e.firstPartition + 1) % len(e.assigned)
	return e.assigned, e.firstPartition
}

// find gives the present ownership of a partition; nil when there is none.
func (e *engine) findPartition(id uint32) *partition {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.assigned {
		if p.id == id {
			return p
		}
	}
	return nil
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

// adopt adds to the owned partitions.
func (e *engine) addPartitions(taken ...*partition) {
	e.mu.Lock()
	owned := append(slices.Clone(e.assigned), taken...)
	slices.SortFunc(owned, func(a, b *partition) int { return int(a.id) - int(b.id) })
	e.setAssigned(owned)
	e.mu.Unlock()
	e.wakePollers()
}

// drop removes p from the owned partitions.
func (e *engine) removePartition(p *partition) {
	p.mu.Lock()
	counted := p.counters
	p.mu.Unlock()
	e.mu.Lock()
	if i := slices.Index(e.assigned, p); i >= 0 {
		e.setAssigned(slices.Delete(slices.Clone(e.assigned), i, i+1))
		e.pastCounters.add(counted)
	}
	e.mu.Unlock()
	e.wakePollers()
}

// deal tells the bounds who shares them, and has those that share them look again whether they
// may go on: with other members, each may have more. e.mu is held.
func (e *engine) setAssigned(owned []*partition) {
	e.assigned = owned
	e.workersPerPartition.Store(int64(workerShare(e.maxWorkers, len(owned))))
	inFlight, prefetch, decompressed := make([]*quotaShare, len(owned)), make([]*prefetchShare, len(owned)), make([]*quotaShare, len(owned))
	for i, p := range owned {
		inFlight[i], prefetch[i], decompressed[i] = &p.inFlightShare, &p.prefetchShare, &p.decompressedShare
	}
	e.inFlight.setMembers(inFlight)
	e.prefetch.setMembers(prefetch)
	e.decompressed.setMembers(decompressed)
	for _, p := range owned {
		p.inFlightShare.waiting.Store(false)
		p.decompressedShare.waiting.Store(false)
		e.scheduler.schedule(p)
	}
}

// handlerShare is how many handlers one of n partitions may keep busy: all but those
// that the others need to have one each.
func workerShare(workers, n int) int {
	switch {
	case workers <= 1 || n <= 1:
		return max(workers, 1)
	case workers >= n:
		return workers - n + 1
	default:
		return workers - 1
	}
}

// lost ends an ownership that was taken from this consumer.
func (e *engine) losePartition(p *partition, cause error) {
	unfinished, first := p.lose(cause)
	e.removePartition(p)
	if !first {
		return
	}
	p.log.Info("partition lost", zap.Int("count", unfinished), zap.Error(cause))
	e.hooks.post(hookLost, p.id)
	e.wakeMembership()
}

// leaveBounds takes p, which is lost, out of the shared bounds; but for its
// ghosts. p.mu is held.
func (e *engine) leaveQuotas(p *partition, orphans int) {
	wakeAll(e.inFlight.remove(&p.inFlightShare, orphans))
	e.prefetch.remove(&p.prefetchShare)
	wakeAll(e.decompressed.remove(&p.decompressedShare, 0))
	e.wakePollers()
}

// recheck lists the present ownership of a partition whose former handlers have returned.
func (e *engine) scheduleByID(id uint32) {
	if p := e.findPartition(id); p != nil {
		e.scheduler.schedule(p)
	}
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

// note remembers the last thing that went wrong, for the status.
func (e *engine) setLastError(err error) {
	e.mu.Lock()
	e.lastErr, e.lastErrAt = err, time.Now()
	e.mu.Unlock()
}

// distrust has p looked at before it goes on.
func (e *engine) requestVerify(p *partition) {
	p.mu.Lock()
	p.needsVerify = true
	p.mu.Unlock()
	e.wakeMembership()
}

// loseMembership has the membership begin anew.
func (e *engine) evict(err error) {
	e.mu.Lock()
	if e.evictedErr == nil {
		e.evictedErr = err
	}
	e.mu.Unlock()
	e.wakeMembership()
}

// pollFailed looks after a poll without an answer.
func (e *engine) pollFailed(p *partition, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, iggyerr.ErrClosed) {
		return
	}
	e.setLastError(fmt.Errorf("iggy: poll %s/%d: %w", e.identity.Topic, p.id, err))
	if e.isMembershipGone(err) && !p.isLost() {
		e.evict(err)
	}
}
