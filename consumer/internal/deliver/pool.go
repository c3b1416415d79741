package deliver

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/quota"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// maxWaiting is how many messages of a consumer may wait for their next delivery.
const maxWaiting = 10_000

// Pool is the delivery side of one consumer. Its methods are safe for concurrent use.
type Pool struct {
	cfg         config.Consumer
	app         App
	commits     bool // offsets are stored
	commitEvery int
	policy      policy
	concurrency int // workers

	// What the queues share.
	inFlight     *quota.Quota // messages
	decompressed *quota.Quota // bytes
	waiting      *quota.Quota // messages
	waitingBytes *quota.Quota

	handle      func(*Message) error
	handleBatch func([]*Message) error
	perQueue    atomic.Int64 // workers that may serve one queue
	stop        stopSignal
	suspension  poolSuspension
	sched       scheduler
	transfers   *tasks // messages being written to the dead letters or parked
	workers     *tasks
}

// PoolOptions are what a pool begins with.
type PoolOptions struct {
	Config config.Consumer
	App    App
	// Commits tells that offsets are stored.
	Commits bool
	// ParkAfter is the delay that RetryAfter may ask for without the message being parked; 0 means that
	// no message is parked.
	ParkAfter time.Duration
}

// NewPool makes a pool without queues. Messages go to callers of Next unless Handle or HandleBatch
// is called before the first queue is made.
func NewPool(o PoolOptions) *Pool {
	p := &Pool{
		cfg: o.Config, app: o.App, commits: o.Commits,
		commitEvery:  max(o.Config.CommitEvery, 1),
		policy:       policy{max: o.Config.Retry.MaxDeliveries, backoff: o.Config.Retry.Backoff, parkAfter: o.ParkAfter},
		concurrency:  o.Config.Concurrency,
		inFlight:     quota.New(o.Config.MaxInFlight),
		decompressed: quota.New(int(o.Config.MaxBufferedBytes)),
		waiting:      quota.New(maxWaiting),
		waitingBytes: quota.New(int(o.Config.MaxBufferedBytes)),
		stop:         stopSignal{begun: make(chan struct{})},
		transfers:    newTasks(), workers: newTasks(),
	}
	if o.Config.CommitInterval == 0 {
		p.commitEvery = 1
	}
	if p.concurrency <= 0 {
		p.concurrency = p.cfg.MaxInFlight
	}
	p.concurrency = min(p.concurrency, p.cfg.MaxInFlight)
	p.perQueue.Store(int64(p.concurrency))
	p.sched.start(p.cfg.MaxInFlight)
	return p
}

// Handle has messages handled by workers. A panic of handle is a failed delivery, and so is the end of
// its goroutine.
func (p *Pool) Handle(handle func(*Message) error) {
	p.handle = handle
	p.startWorkers()
}

// HandleBatch has batches handled by workers, one at a time in each partition. handle must not
// panic, and must not keep the slice; it may end its goroutine.
func (p *Pool) HandleBatch(handle func([]*Message) error) {
	p.handleBatch = handle
	p.startWorkers()
}

func (p *Pool) startWorkers() {
	p.sched.startWorkers(p.concurrency, func(w *worker) {
		p.workers.run(func() { p.work(w) })
	})
}

// batches tells whether messages go to a batch handler.
func (p *Pool) batches() bool { return p.handleBatch != nil }

// onPoll tells whether messages are acknowledged before they are handled.
func (p *Pool) onPoll() bool { return p.cfg.AckMode == config.AckOnPoll }

// stores tells whether offsets are stored once messages are acknowledged.
func (p *Pool) stores() bool { return p.commits && !p.onPoll() }

// usesTrials reports whether one message is delivered as a trial after a pause of a suspension. That
// needs a handler that settles the message: an application that settles messages by itself may need
// others before.
func (p *Pool) usesTrials() bool { return p.handle != nil && p.cfg.AckMode == config.AckAuto }

// Unavailable says why the handler can't work for any queue; nil when it can.
func (p *Pool) Unavailable() error { return p.suspension.cause() }

// workersPerQueue is how many workers may serve one queue.
func (p *Pool) workersPerQueue() int { return int(p.perQueue.Load()) }

// SetQueues says which queues there are: those share the limits. All queues that are assigned
// together must come together, or the first one would take the others' parts.
func (p *Pool) SetQueues(queues ...*Queue) {
	p.perQueue.Store(int64(workerShare(p.concurrency, len(queues))))
	members := make([]*quota.Member, len(queues))
	for limit, member := range map[*quota.Quota]func(*limits) *quota.Member{
		p.inFlight:     func(l *limits) *quota.Member { return l.inFlight },
		p.decompressed: func(l *limits) *quota.Member { return l.decompressed },
		p.waiting:      func(l *limits) *quota.Member { return l.waiting },
		p.waitingBytes: func(l *limits) *quota.Member { return l.waitingBytes },
	} {
		for i, q := range queues {
			members[i] = member(&q.d.assignment.limits)
		}
		limit.SetMembers(members...)
	}
	p.suspension.queues.Store(&queues)
	for _, q := range queues {
		p.sched.ready(q) // with other queues, each may have more
	}
}

// workerShare is how many workers may serve one of n queues: all but those that the others need to
// have one each.
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

// BeginStop tells that the consumer stops: a delivery that fails because something is closed or
// cancelled has not failed.
func (p *Pool) BeginStop() { p.stop.once.Do(func() { close(p.stop.begun) }) }

// Stopping returns a channel that is closed when a stop begins. It is nil where messages are
// acknowledged before they are handled: those have no next delivery.
func (p *Pool) Stopping() <-chan struct{} {
	if p.onPoll() {
		return nil
	}
	return p.stop.begun
}

// stopSignal tells that a stop began.
type stopSignal struct {
	once  sync.Once
	begun chan struct{}
}

// unserved reports whether nobody takes messages any more: the consumer stops, and new calls of
// Next fail. Messages that were acknowledged before their delivery are all delivered.
func (p *Pool) unserved() bool {
	if p.handle != nil || p.handleBatch != nil || p.onPoll() {
		return false
	}
	select {
	case <-p.stop.begun:
		return true
	default:
		return false
	}
}

// interrupted tells whether a delivery failed because of a stop and not because of its message: the
// consumer stops, and what the handler uses is closed already, or the application has cancelled it.
// Messages that were acknowledged before they were handled have no next delivery.
func (p *Pool) interrupted(err error) bool {
	select {
	case <-p.stop.begun:
		return !p.onPoll() && (errors.Is(err, iggyerr.ErrClosed) || errors.Is(err, context.Canceled))
	default:
		return false
	}
}

// Close ends every call of Next, and workers when they have nothing to do. No more messages are written
// to the dead letters or parked.
func (p *Pool) Close() {
	p.sched.close()
	p.suspension.stop()
	p.workers.close()
	p.transfers.close()
}

// Wait waits for the workers of a closed pool and for what is being written, or for ctx.
func (p *Pool) Wait(ctx context.Context) error {
	if err := p.workers.wait(ctx); err != nil {
		return err
	}
	return p.transfers.wait(ctx)
}

// Usage is what is taken of the limits that the queues share.
type Usage struct {
	// InFlight is messages, with the Orphaned ones: deliveries of lost queues that the application
	// still holds.
	InFlight, Orphaned int
	// DecompressedBytes is what payloads that were compressed take up.
	DecompressedBytes int
	// Waiting is messages that wait for their next delivery, and WaitingBytes their size.
	Waiting, WaitingBytes int
}

// Usage returns what is taken of the limits.
func (p *Pool) Usage() Usage {
	return Usage{
		InFlight: p.inFlight.Used(), Orphaned: p.inFlight.Orphaned(), DecompressedBytes: p.decompressed.Used(),
		Waiting: p.waiting.Used(), WaitingBytes: p.waitingBytes.Used(),
	}
}
