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

// partition is one assignment of a partition, from when this consumer learns of it until the
// partition is lost, revoked or moved by Seek. Another assignment of the same partition is another
// partition, and what is still under way for the old one has no effect any more.
type partition struct {
	e       *engine
	id      uint32
	session *link.Session
	history *history
	log     *zap.Logger
	// ctx is the context of handlers. It ends with a cause when the partition is lost.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// commitLock holds one token: commits of a partition follow one after another.
	commitLock chan struct{}

	scheduled atomic.Bool // is in the scheduler's queue

	// The partition's parts in the consumer's quotas.
	inFlightShare     quotaShare
	prefetchShare     prefetchShare
	decompressedShare quotaShare

	mu    sync.Mutex
	phase phase
	// stopErr is why nothing more is fetched: on_gap or on_reset is stop.
	stopErr     error
	paused      bool // by the application
	needsVerify bool // the log or the stored offset may have changed: verify before the next poll

	// Fetch: the position in the log.
	firstPoll      *transport.Strategy // the first poll starts here instead of at position
	position       uint64              // the next offset to fetch
	skip           skipRange           // messages that the first poll may bring and that were handled before
	anyFirstOffset bool                // the next message may have any offset: no gap
	logEnd         uint64              // the offset after the log's last message, as far as known
	mayHaveMore    bool                // there may be messages to fetch
	polling        bool                // a poll is under way
	polledEnd      uint64              // the last offset that a poll brought, plus one; 0: none
	nextPollAt     time.Time           // after a refused poll
	refusalLogged  bool                // the last poll was refused, and that was logged

	// Fetch: the prefetch buffer.
	buffer         []*pollResult
	buffered       int    // messages in buffer
	decoding       bool   // messages of buffer are being decoded
	decodingFrom   uint64 // the first offset of the messages being decoded
	discardDecoded bool   // the messages being decoded are discarded: see discardUndelivered
	scratch        []*message

	// Deliver.
	lanes              lanes
	ready              messageQueue // messages that may be delivered
	delivered          messageSet   // messages with the application
	running            int          // handlers at work
	backingOff         int          // messages that wait for redelivery
	givenBack          int          // messages in ready that the application gave back
	deadLettering      int          // messages on their way to the dead letters
	blockedDeadLetters int          // those of them that could not be written yet
	deliveredEnd       uint64       // the sequence number after the last message that left the queue
	batchRunning       bool         // a batch handler is at work
	quiesced           bool         // draining, and all that is left waits for redelivery: see quiesce

	// Commit.
	tracker         tracker
	committedEnd    uint64 // the tracker's ackedEnd when the stored offset was stored
	storedOffset    uint64
	hasStored       bool
	attemptedOffset uint64 // the offset of the last store request, whose answer may be lost; offsetBeyondEnd: none
	commitRequested bool
	verifiedAt      time.Time     // when the stored offset was last seen to be the expected one
	commitWaiters   int           // callers that wait for a commit
	commitDone      chan struct{} // closed and replaced at each commit, and closed when the partition is lost

	counters    counters
	pendingLogs []func() // see deferLog
}

type phase uint8

const (
	phaseActive   phase = iota
	phaseDraining       // admits no more messages and finishes those in flight
	phaseLost           // not assigned any more
)

// lose ends the assignment. The contexts of its handlers end with cause, and what they return has
// no effect. It returns the number of messages in flight that were not acknowledged. Only the first
// call has an effect.
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
	if !errors.Is(cause, errSeek) { // Seek gives the messages in flight up
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

// releaseMemory releases the memory of msg: its part of the poll result and its decompressed
// payload. p.mu is held.
func (p *partition) releaseMemory(msg *message) {
	p.releaseResult(msg.result, 1)
	p.releaseDecompressed(msg.decompressed)
}

// deferLog has a log entry written after p.mu is released: writing a log is I/O. p.mu is held.
func (p *partition) deferLog(entry func()) { p.pendingLogs = append(p.pendingLogs, entry) }

// flushLogs writes the deferred log entries. p.mu is not held.
func (p *partition) flushLogs() {
	p.mu.Lock()
	entries := p.pendingLogs
	p.pendingLogs = nil
	p.mu.Unlock()
	for _, entry := range entries {
		entry()
	}
}

// flushLogsUnlocked writes the deferred log entries. p.mu is held, and released meanwhile.
func (p *partition) flushLogsUnlocked() {
	if len(p.pendingLogs) == 0 {
		return
	}
	p.mu.Unlock()
	defer p.mu.Lock()
	p.flushLogs()
}
