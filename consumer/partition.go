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

// letGo lets go of the memory of r: its part in an answer, and what it grew to. p.mu is held.
func (p *partition) releaseMemory(msg *message) {
	p.releaseResult(msg.result, 1)
	p.releaseDecompressed(msg.decompressed)
}

// say has something logged when p.mu is released: writing a log is I/O. p.mu is held.
func (p *partition) deferLog(entry func()) { p.pendingLogs = append(p.pendingLogs, entry) }

// speak logs what was left to say.
func (p *partition) flushLogs() {
	p.mu.Lock()
	entries := p.pendingLogs
	p.pendingLogs = nil
	p.mu.Unlock()
	for _, entry := range entries {
		entry()
	}
}

// speakUp logs what was left to say. p.mu is held, and released meanwhile.
func (p *partition) flushLogsUnlocked() {
	if len(p.pendingLogs) == 0 {
		return
	}
	p.mu.Unlock()
	defer p.mu.Lock()
	p.flushLogs()
}
