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
	history *history
	log     *zap.Logger
	// ctx is what handlers get; it ends with a cause when the partition is lost.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// commitTurn holds one token: commits of a partition go one after another.
	commitLock chan struct{}

	scheduled atomic.Bool // is in the scheduler's queue

	// The partition's parts in the consumer's quotas.
	inFlightShare     quotaShare
	prefetchShare     prefetchShare
	decompressedShare quotaShare

	mu    sync.Mutex
	phase phase
	// stopped is why nothing more is fetched: on_gap or on_reset said stop.
	stopErr     error
	paused      bool // by the application
	needsVerify bool // something does not fit: look before anything else is fetched

	// Fetching.
	firstPoll      *transport.Strategy // the first poll starts here instead of at position
	position       uint64              // the next offset to fetch
	skip           skipRange           // what is passed over where the first poll starts
	anyFirstOffset bool                // the next message's offset may be any: no gap
	logEnd         uint64              // the log's end, as far as known: the offset after its last message
	mayHaveMore    bool                // there may be messages to fetch
	polling        bool                // a poll is under way
	polledEnd      uint64              // the last offset that a poll brought, plus one; 0: none
	nextPollAt     time.Time           // after a refused poll
	refusalLogged  bool                // the last poll was refused, and that was logged

	// Read and not taken in.
	buffer         []*pollResult
	buffered       int
	decoding       bool
	decodingFrom   uint64 // the first offset of what is being taken in
	discardDecoded bool   // what is being taken in is not wanted any more: see cut
	scratch        []*message

	// In the window.
	tracker            tracker
	lanes              lanes
	ready              messageQueue // messages whose turn it is
	delivered          messageSet   // messages that are with the application
	running            int          // handlers at work
	backingOff         int          // messages that wait for their next delivery
	givenBack          int          // messages in the run queue that the application gave back
	deadLettering      int          // messages on their way to the dead letters
	blockedDeadLetters int          // those of them that could not be written yet
	deliveredEnd       uint64       // the number after the last message that left the queue
	batchRunning       bool         // a batch handler is at work
	quiesced           bool         // it drains, and what is left only waits for its next delivery: see rest

	// Committing.
	committedEnd    uint64 // the tracker's head when the stored offset was stored
	storedOffset    uint64
	hasStored       bool
	attemptedOffset uint64 // the offset that was asked to be stored last, since the answer may be lost; nowhere: none
	commitRequested bool
	verifiedAt      time.Time     // when the stored offset was last known to be what it should
	commitWaiters   int           // callers who wait for a commit
	commitDone      chan struct{} // closed and replaced when a commit was stored, and closed when the partition is lost

	counters    counters
	pendingLogs []func() // log entries; see say
}

type phase uint8

const (
	phaseActive   phase = iota
	phaseDraining       // takes nothing new, finishes what it has
	phaseLost           // not this consumer's any more
)

// hasWork tells whether someone who comes finds something to do. p.mu is held.
func (p *partition) hasWork() bool {
	if p.phase == phaseLost || p.blockedDeadLetters > 0 || p.quiesced {
		return false
	}
	if p.e.batchHandler {
		return p.canStartBatch() && (p.ready.length > 0 || p.canAdmit())
	}
	if p.running >= int(p.e.workersPerPartition.Load()) || (p.paused && p.phase == phaseActive) {
		return false
	}
	return p.ready.length > 0 || p.canAdmit()
}

// next gives the message whose turn it is, taking in more when there is none;
// nil when there is nothing to do. p.mu is held, and released while messages
// are decoded.
func (p *partition) nextMessage() *message {
	for {
		if p.phase == phaseLost || p.blockedDeadLetters > 0 || p.quiesced || p.running >= int(p.e.workersPerPartition.Load()) || (p.paused && p.phase == phaseActive) {
			return nil
		}
		if msg := p.ready.pop(); msg != nil {
			p.markDelivered(msg)
			return msg
		}
		if !p.admit(decodeChunk) {
			return nil
		}
	}
}

// turn puts r into another state. p.mu is held.
func (p *partition) setState(msg *message, s messageState) {
	switch msg.state {
	case messageDelivered:
		p.delivered.remove(msg)
	case messageGivenBack:
		p.givenBack--
	}
	msg.state = s
	switch s {
	case messageDelivered:
		p.delivered.add(msg)
	case messageGivenBack:
		p.givenBack++
	}
}

// hand marks r as given to the application. p.mu is held.
func (p *partition) markDelivered(msg *message) {
	p.setState(msg, messageDelivered)
	msg.deliveries++
	p.counters.delivered++
	if msg.deliveries > 1 {
		p.counters.redelivered++
	}
	p.deliveredEnd = max(p.deliveredEnd, msg.seq+1)
}

// finish ends a message that was handled or given up: it counts as
// acknowledged. p.mu is held.
func (p *partition) settle(msg *message) {
	p.history.dedup.settle(msg.raw.ID)
	p.closeMessage(msg)
}

func (p *partition) closeMessage(msg *message) {
	p.setState(msg, messageSettled)
	p.releaseMemory(msg)
	if next := p.lanes.release(msg); next != nil {
		p.ready.push(next)
	}
	if p.tracker.ack(msg.seq) {
		p.prefixAdvanced()
	}
	p.releaseInFlight(1)
}

// letGo lets go of the memory of r: its part in an answer, and what it grew to. p.mu is held.
func (p *partition) releaseMemory(msg *message) {
	p.releaseResult(msg.result, 1)
	p.releaseDecompressed(msg.decompressed)
}

// release lets go of n messages' part in an answer. p.mu is held.
func (p *partition) releaseResult(r *pollResult, n int) {
	if r.unsettled -= n; r.unsettled > 0 {
		return
	}
	r.recyclePayloads()
	if p.e.prefetch.release(&p.prefetchShare, amount{bytes: r.heldBytes}) {
		p.e.wakePollers()
	}
}

// free makes room free, for p's next messages or for those who wait for it. p.mu is held.
func (p *partition) releaseInFlight(n int) {
	if p.e.inFlight.keepFree(&p.inFlightShare, n) {
		wakeAll(p.e.inFlight.releaseFree(&p.inFlightShare))
	}
}

// advanced looks after a grown prefix. p.mu is held.
func (p *partition) prefixAdvanced() {
	if p.e.storesOffsets {
		pending := p.tracker.ackedEnd - p.committedEnd
		if pending >= uint64(p.e.commitEvery) || p.commitWaiters > 0 {
			p.requestCommit()
		}
	}
	p.checkDrained()
}

// announce lists p if there is something to do. p.mu is held.
func (p *partition) scheduleIfReady() {
	if p.hasWork() {
		p.e.scheduler.schedule(p)
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
	unfinished = p.inFlight()
	if prefix, ok := p.tracker.prefix(); ok && p.tracker.timestamp != 0 {
		p.history.next, p.history.hasNext, p.history.timestamp = prefix+1, true, p.tracker.timestamp
	}
	p.history.orphans.Add(int64(p.running))
	orphans := 0
	if !errors.Is(cause, errSeek) { // the application itself gave up what it has
		orphans = p.orphanDeliveries()
	}
	p.history.dedup.forgetUnsettled()
	p.buffer, p.buffered, p.ready, p.lanes = nil, 0, messageQueue{}, lanes{}
	p.e.leaveQuotas(p, orphans)
	close(p.commitDone)
	return unfinished, true
}

func (p *partition) isLost() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.phase == phaseLost
}

// inHand is how many messages are with the application, wait for another
// delivery or are on their way to the dead letters. p.mu is held.
func (p *partition) inFlight() int {
	n := 0
	for i := p.tracker.ackedEnd; i < min(p.tracker.end, p.deliveredEnd); i++ {
		if !p.tracker.at(i).acked {
			n++
		}
	}
	return n
}

// ghostGone is called when a handler of a lost partition returns, and when the
// application is done with a message of it. p.mu is held.
func (p *partition) orphanEnded() {
	if p.history.orphans.Add(-1) == 0 {
		p.e.scheduleByID(p.id)
	}
}
