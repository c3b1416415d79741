package consumer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// partition is one ownership of a partition: from when it was learned that the
// partition is this consumer's until it is not. When it is lost, set to another offset
// or dealt to this consumer again, a new one takes its place, and whatever is
// still under way for the old one has no effect any more.
type partition struct {
	e       *engine
	id      uint32
	session *link.Session
	memory  *memory
	log     *zap.Logger
	// ctx is what handlers get; it ends with a cause when the partition is lost.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// commitTurn holds one token: commits of a partition go one after another.
	commitTurn chan struct{}

	// slack is room in the window that was this partition's and is free. It is
	// used again first, and taken back by the window when others need it.
	slack    atomic.Int64
	listed   atomic.Bool // is in the scheduler's list
	starving atomic.Bool // waits for room in the window
	cramped  atomic.Bool // waits for room to decompress

	roomTaken   int  // guarded by the window's lock
	outOfWindow bool // guarded by the window's lock
	held        hold // guarded by ahead's lock
	outOfAhead  bool // guarded by ahead's lock

	unpacked      int  // guarded by the lock of unpacked
	outOfUnpacked bool // guarded by the lock of unpacked

	mu    sync.Mutex
	phase phase
	// stopped is why nothing more is fetched: on_gap or on_rewind said stop.
	stopped error
	paused  bool // by the application
	suspect bool // something does not fit: look before anything else is fetched

	// Fetching.
	from     *transport.Strategy // the first poll starts here instead of at position
	position uint64              // the next offset to fetch
	handled  handled             // what is passed over where the first poll starts
	jumpOK   bool                // the next message's offset may be any: no gap
	end      uint64              // the log's end, as far as known: the offset after its last message
	hot      bool                // there may be messages to fetch
	polling  bool                // a poll is under way
	polled   uint64              // the last offset that a poll brought, plus one; 0: none
	resumeAt time.Time           // after a refused poll
	refused  bool                // the last poll was refused, and that was logged

	// Read and not taken in.
	buffer   []*answer
	buffered int
	intaking bool
	taking   uint64 // the first offset of what is being taken in
	forsaken bool   // what is being taken in is not wanted any more: see cut
	scratch  []*message

	// In the window.
	tracker tracker
	lanes   lanes
	run     messageQueue // messages whose turn it is
	out     messageSet   // messages that are with the application
	running int          // handlers at work
	waiting int          // messages that wait for their next delivery
	back    int          // messages in the run queue that the application gave back
	buried  int          // messages on their way to the dead letters
	blocked int          // those of them that could not be written yet
	given   uint64       // the number after the last message that left the queue
	batch   bool         // a batch handler is at work
	resting bool         // it drains, and what is left only waits for its next delivery: see rest

	// Committing.
	settledHead  uint64 // the tracker's head when the stored offset was stored
	stored       uint64
	hasStored    bool
	attempted    uint64 // the offset that was asked to be stored last, since the answer may be lost; nowhere: none
	commitWanted bool
	verified     time.Time     // when the stored offset was last known to be what it should
	syncs        int           // callers who wait for a commit
	stepped      chan struct{} // closed and replaced when a commit was stored, and closed when the partition is lost

	tally  tally
	unsaid []func() // log entries; see say
}

type phase uint8

const (
	phaseActive   phase = iota
	phaseDraining       // takes nothing new, finishes what it has
	phaseLost           // not this consumer's any more
)

// hasWork tells whether someone who comes finds something to do. p.mu is held.
func (p *partition) hasWork() bool {
	if p.phase == phaseLost || p.blocked > 0 || p.resting {
		return false
	}
	if p.e.batches {
		return p.mayBatch() && (p.run.length > 0 || p.mayTakeIn())
	}
	if p.running >= int(p.e.share.Load()) || (p.paused && p.phase == phaseActive) {
		return false
	}
	return p.run.length > 0 || p.mayTakeIn()
}

// next gives the message whose turn it is, taking in more when there is none;
// nil when there is nothing to do. p.mu is held, and released while messages
// are decoded.
func (p *partition) next() *message {
	for {
		if p.phase == phaseLost || p.blocked > 0 || p.resting || p.running >= int(p.e.share.Load()) || (p.paused && p.phase == phaseActive) {
			return nil
		}
		if r := p.run.pop(); r != nil {
			p.hand(r)
			return r
		}
		if !p.takeIn(chunk) {
			return nil
		}
	}
}

// turn puts r into another state. p.mu is held.
func (p *partition) turn(r *message, s messageState) {
	switch r.state {
	case messageGiven:
		p.out.remove(r)
	case messageBack:
		p.back--
	}
	r.state = s
	switch s {
	case messageGiven:
		p.out.add(r)
	case messageBack:
		p.back++
	}
}

// hand marks r as given to the application. p.mu is held.
func (p *partition) hand(r *message) {
	p.turn(r, messageGiven)
	r.deliveries++
	p.tally.delivered++
	if r.deliveries > 1 {
		p.tally.redelivered++
	}
	p.given = max(p.given, r.seq+1)
}

// finish ends a message that was handled or given up: it counts as
// acknowledged. p.mu is held.
func (p *partition) finish(r *message) {
	p.memory.dedup.settled(r.raw.ID)
	p.close(r)
}

func (p *partition) close(r *message) {
	p.turn(r, messageSettled)
	p.letGo(r)
	if next := p.lanes.leave(r); next != nil {
		p.run.push(next)
	}
	if p.tracker.ack(r.seq) {
		p.advanced()
	}
	p.free(1)
}

// letGo lets go of the memory of r: its part in an answer, and what it grew to. p.mu is held.
func (p *partition) letGo(r *message) {
	p.release(r.answer, 1)
	p.shrink(r.unpacked)
}

// release lets go of n messages' part in an answer. p.mu is held.
func (p *partition) release(a *answer, n int) {
	if a.open -= n; a.open > 0 {
		return
	}
	a.done()
	if p.e.ahead.give(p, hold{bytes: a.bytes}) {
		p.e.fetchMore()
	}
}

// free makes room free, for p's next messages or for those who wait for it. p.mu is held.
func (p *partition) free(n int) {
	if !p.e.window.free(p, n) {
		return
	}
	for _, q := range p.e.window.give(p) {
		p.e.sched.ready(q)
	}
}

// advanced looks after a grown prefix. p.mu is held.
func (p *partition) advanced() {
	if p.e.commits {
		pending := p.tracker.head - p.settledHead
		if pending >= uint64(p.e.commitEvery) || p.syncs > 0 {
			p.wantCommit()
		}
	}
	p.drained()
}

// announce lists p if there is something to do. p.mu is held.
func (p *partition) announce() {
	if p.hasWork() {
		p.e.sched.ready(p)
	}
}

// lose ends the ownership. The contexts of its handlers end with cause, and what
// they return has no effect. It gives the number of messages that were with
// the application and not acknowledged; only the first loss counts.
func (p *partition) lose(cause error) (unfinished int, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == phaseLost {
		return 0, false
	}
	p.phase = phaseLost
	p.cancel(cause)
	unfinished = p.inHand()
	if prefix, ok := p.tracker.prefix(); ok && p.tracker.stamp != 0 {
		p.memory.next, p.memory.hasNext, p.memory.stamp = prefix+1, true, p.tracker.stamp
	}
	p.memory.ghosts.Add(int64(p.running))
	ghosts := 0
	if !errors.Is(cause, errSought) { // the application itself gave up what it has
		ghosts = p.haunt()
	}
	p.memory.dedup.forgetOpen()
	p.buffer, p.buffered, p.run, p.lanes = nil, 0, messageQueue{}, lanes{}
	p.e.leaveBounds(p, ghosts)
	close(p.stepped)
	return unfinished, true
}

func (p *partition) isLost() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.phase == phaseLost
}

// inHand is how many messages are with the application, wait for another
// delivery or are on their way to the dead letters. p.mu is held.
func (p *partition) inHand() int {
	n := 0
	for i := p.tracker.head; i < min(p.tracker.tail, p.given); i++ {
		if !p.tracker.at(i).done {
			n++
		}
	}
	return n
}

// ghostGone is called when a handler of a lost partition returns, and when the
// application is done with a message of it. p.mu is held.
func (p *partition) ghostGone() {
	if p.memory.ghosts.Add(-1) == 0 {
		p.e.recheck(p.id)
	}
}
