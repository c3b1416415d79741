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
type typed interface {
	// decode makes messages of messages, one each, and appends them to dst.
	// What can't be decoded has a cause.
	decode(messages []wire.Message, dst []*message) []*message
	// broken makes the message of a message that can't be decoded because of cause.
	broken(m *wire.Message, cause error) *message
	// again makes the message of a message's next delivery, decoded anew: a
	// handler may have changed what it was given.
	again(r *message)
	// whenForgotten ends g when nobody has r's message any more.
	whenForgotten(r *message, g *ghost)
	hasDeadLetters() bool
	// deadLetter writes r to the dead letters; nil means confirmed.
	deadLetter(ctx context.Context, r *message, cause error, code string, attempts int) error
}

// engine is a consumer without the type of its messages: the partitions that it
// owns, and the goroutines that fetch, commit and keep the membership.
type engine struct {
	name       string
	cfg        config.Consumer
	log        *zap.Logger
	link       *link.Link
	newLink    func(name string, more ...link.Option) (*link.Link, error) // for the passing member, which is not measured
	typed      typed
	who        transport.Consumer
	grouped    bool
	standalone Standalone
	commits    bool // offsets are stored
	onPoll     bool
	batches    bool // messages go to a batch handler
	apart      bool // messages are decoded in goroutines of their own, since callers of Next take them in
	// commitEvery is the configured number, at least 1; with an interval of 0
	// each grown prefix is stored at once.
	commitEvery int
	redelivery  redelivery

	sched     scheduler
	window    window
	ahead     ahead
	unpacked  unpacked
	committer *committer
	crew      *crew // dead letters being written
	staff     *crew // workers
	hooks     *hooks
	meter     *meter
	workers   int          // handlers that may run at a time
	share     atomic.Int64 // of them in one partition

	// ctx is the life of the consumer; every partition's context comes from it.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// retreats ends when the consumer is to retire, by retreatBegins.
	retreats      context.Context
	retreatBegins context.CancelFunc
	running       atomic.Bool   // start was called
	done          chan struct{} // closed when the membership has ended
	ended         sync.Once
	finished      chan struct{} // closed when a stop is over
	stopErr       error         // how it went
	// kicked wakes the membership's loop: something changed that it must look at.
	kicked chan struct{}

	mu         sync.Mutex
	owned      []*partition // by id; replaced, never changed
	cursor     int
	memories   map[uint32]*memory
	past       tally // of former ownerships
	fetcher    *fetcher
	lastErr    error
	lastErrAt  time.Time
	evicted    error // the membership is gone
	joined     bool
	rebalances int64
	orders     []order // Seek, Pause and Resume of partitions
	paused     map[uint32]bool
	retiring   context.Context         // ends when what is in hand must be finished; nil before the retirement
	hurry      context.CancelCauseFunc // ends retiring; set with it
	retired    retreat
}

// turn gives the owned partitions and whose turn is first.
func (e *engine) turn() ([]*partition, int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.owned) == 0 {
		return nil, 0
	}
	e.cursor = (e.cursor + 1) % len(e.owned)
	return e.owned, e.cursor
}

// find gives the present ownership of a partition; nil when there is none.
func (e *engine) find(id uint32) *partition {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.owned {
		if p.id == id {
			return p
		}
	}
	return nil
}

// recall gives what is remembered of a partition.
func (e *engine) recall(id uint32) *memory {
	e.mu.Lock()
	defer e.mu.Unlock()
	m, ok := e.memories[id]
	if !ok {
		m = newMemory(e.cfg.DedupWindow, e.cfg.BatchSize)
		e.memories[id] = m
	}
	return m
}

// adopt adds to the owned partitions.
func (e *engine) adopt(taken ...*partition) {
	e.mu.Lock()
	owned := append(slices.Clone(e.owned), taken...)
	slices.SortFunc(owned, func(a, b *partition) int { return int(a.id) - int(b.id) })
	e.deal(owned)
	e.mu.Unlock()
	e.fetchMore()
}

// drop removes p from the owned partitions.
func (e *engine) drop(p *partition) {
	p.mu.Lock()
	counted := p.tally
	p.mu.Unlock()
	e.mu.Lock()
	if i := slices.Index(e.owned, p); i >= 0 {
		e.deal(slices.Delete(slices.Clone(e.owned), i, i+1))
		e.past.add(counted)
	}
	e.mu.Unlock()
	e.fetchMore()
}

// deal tells the bounds who shares them, and has those that share them look again whether they
// may go on: with other members, each may have more. e.mu is held.
func (e *engine) deal(owned []*partition) {
	e.owned = owned
	e.share.Store(int64(handlerShare(e.workers, len(owned))))
	e.window.members(owned)
	e.ahead.members(owned)
	e.unpacked.members(owned)
	for _, p := range owned {
		p.starving.Store(false)
		p.cramped.Store(false)
		e.sched.ready(p)
	}
}

// handlerShare is how many handlers one of n partitions may keep busy: all but those
// that the others need to have one each.
func handlerShare(workers, n int) int {
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
func (e *engine) lost(p *partition, cause error) {
	unfinished, first := p.lose(cause)
	e.drop(p)
	if !first {
		return
	}
	p.log.Info("partition lost", zap.Int("count", unfinished), zap.Error(cause))
	e.hooks.post(hookLost, p.id)
	e.kick()
}

// leaveBounds takes p, which is lost, out of the shared bounds; but for its
// ghosts. p.mu is held.
func (e *engine) leaveBounds(p *partition, ghosts int) {
	for _, q := range e.window.leave(p, ghosts) {
		e.sched.ready(q)
	}
	e.ahead.leave(p)
	for _, q := range e.unpacked.leave(p) {
		e.sched.ready(q)
	}
	e.fetchMore()
}

// recheck lists the present ownership of a partition whose former handlers have returned.
func (e *engine) recheck(id uint32) {
	if p := e.find(id); p != nil {
		e.sched.ready(p)
	}
}

// fetchMore wakes the fetchers of the present session.
func (e *engine) fetchMore() {
	e.mu.Lock()
	f := e.fetcher
	e.mu.Unlock()
	if f != nil {
		f.more()
	}
}

// kick wakes the membership's loop.
func (e *engine) kick() {
	select {
	case e.kicked <- struct{}{}:
	default:
	}
}

// note remembers the last thing that went wrong, for the status.
func (e *engine) note(err error) {
	e.mu.Lock()
	e.lastErr, e.lastErrAt = err, time.Now()
	e.mu.Unlock()
}

// distrust has p looked at before it goes on.
func (e *engine) distrust(p *partition) {
	p.mu.Lock()
	p.suspect = true
	p.mu.Unlock()
	e.kick()
}

// loseMembership has the membership begin anew.
func (e *engine) loseMembership(err error) {
	e.mu.Lock()
	if e.evicted == nil {
		e.evicted = err
	}
	e.mu.Unlock()
	e.kick()
}

// pollFailed looks after a poll without an answer.
func (e *engine) pollFailed(p *partition, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, iggyerr.ErrClosed) {
		return
	}
	e.note(fmt.Errorf("iggy: poll %s/%d: %w", e.who.Topic, p.id, err))
	if e.gone(err) && !p.isLost() {
		e.loseMembership(err)
	}
}
