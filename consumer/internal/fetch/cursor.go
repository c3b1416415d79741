package fetch

import (
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Queue is where a cursor puts what it read. Offer must not block, and must
// not call the cursor.
type Queue interface {
	Offer(b *Batch)
	// Buffered is how many batches are in the queue of which nothing was
	// handed out.
	Buffered() int
}

// Room is the part of the limit on prefetched bytes that a partition may use.
// Take gives up to want bytes and at least least, or none, and then the
// cursor is to be woken when there is more; who holds none gets something.
type Room interface {
	Take(want, least int) int
	Give(n int)
}

// Owner hears of what a cursor notices. Its methods must not block, and are
// not called under a lock.
type Owner interface {
	// Verify asks to compare the cursor with the server: what it read does not fit.
	Verify(partition uint32)
	// PollFailed tells of a poll without an answer.
	PollFailed(partition uint32, err error)
	// Failed tells that a partition is not read any more.
	Failed(partition uint32, err error)
	// Stopped tells that a stopped cursor has no more polls under way.
	Stopped(partition uint32)
}

// State is what a cursor does.
type State uint8

const (
	// Prepared reads nothing, until Start.
	Prepared State = iota
	// Reading reads ahead.
	Reading
	// Stopped reads nothing, until Resume.
	Stopped
	// Failed reads nothing for good: on_gap or on_reset is stop.
	Failed
	// Closed is after Close.
	Closed
)

// Cursor reads one assignment of a partition. Its methods are safe for
// concurrent use.
type Cursor struct {
	id      uint32
	fetcher *Fetcher
	owner   Owner
	queue   Queue
	room    Room
	history *History
	log     *zap.Logger
	listed  atomic.Bool // is in the fetcher's list

	mu       sync.Mutex
	state    State
	failure  error // why the state is Failed
	paused   bool  // by the application
	verify   bool  // what was read does not fit: nothing is read until Verified
	place    place
	polls    []*poll // under way, in the order in which they were made
	depth    depth
	refusal  refusal
	counters Counters
}

// place is where a cursor is in the log.
type place struct {
	position uint64              // the next offset to hand over
	next     uint64              // the next offset to ask for: position, and what polls under way are expected to bring
	by       *transport.Strategy // the first poll begins here, and not at next
	handled  Handled             // messages that are skipped where the first poll begins
	anyFirst bool                // the next message's offset may be any: no gap
	end      uint64              // the offset after the log's last message, as far as known
	more     bool                // there may be messages to read
	polled   uint64              // the offset after the last message that the server gave; 0: none
}

// refusal is the backoff after a poll that was refused.
type refusal struct {
	until  time.Time
	logged bool
}

// Counters count what a cursor read.
type Counters struct {
	Messages, Bytes, Polls int64
	// Gaps are jumps of the offset, and GapMessages the offsets that they skipped.
	Gaps, GapMessages int64
}

// Add adds o to c.
func (c *Counters) Add(o Counters) {
	c.Messages += o.Messages
	c.Bytes += o.Bytes
	c.Polls += o.Polls
	c.Gaps += o.Gaps
	c.GapMessages += o.GapMessages
}

// NewCursor makes a cursor that begins at s. It reads nothing before Start.
func (f *Fetcher) NewCursor(id uint32, s Start, owner Owner, queue Queue, room Room, history *History, paused bool) *Cursor {
	c := &Cursor{
		id: id, fetcher: f, owner: owner, queue: queue, room: room, history: history, paused: paused,
		log: f.cfg.Log.With(zap.Uint32("partition", id)),
		place: place{
			position: s.Position, next: s.Position, by: s.By, handled: s.Handled, anyFirst: s.AnyOffset,
			end: s.End, more: s.By != nil || s.End > s.Position,
		},
	}
	c.depth.reset()
	if s.Failed != nil {
		c.state, c.failure = Failed, s.Failed
	}
	return c
}

// ID is the partition's id.
func (c *Cursor) ID() uint32 { return c.id }

// Start begins to read.
func (c *Cursor) Start() {
	c.mu.Lock()
	if c.state == Prepared {
		c.state = Reading
	}
	c.mu.Unlock()
	f := c.fetcher
	f.mu.Lock()
	f.cursors = append(f.cursors, c)
	f.mu.Unlock()
	f.ready(c)
}

// Wake has the cursor poll if it is due: there may be more to read, or more
// room for it.
func (c *Cursor) Wake() { c.fetcher.ready(c) }

// Stop ends reading until Resume. Answers of polls under way are dropped,
// unless messages are acknowledged when they are read: nobody else would get those.
func (c *Cursor) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != Reading {
		return
	}
	c.state = Stopped
	if !c.fetcher.cfg.AtMostOnce {
		c.void()
	}
}

// ReadFrom has the cursor read from an offset that it passed, once it resumes:
// messages from there on were read and not handed out.
func (c *Cursor) ReadFrom(offset uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.void()
	c.place.position = min(c.place.position, offset)
	c.place.next, c.place.more = c.place.position, true
}

// Resume lets a stopped cursor go on.
func (c *Cursor) Resume() {
	c.mu.Lock()
	if c.state == Stopped {
		c.state = Reading
		c.place.more = true
	}
	c.mu.Unlock()
	c.Wake()
}

// Pause stops reading on the application's wish, and Pause(false) ends that.
func (c *Cursor) Pause(paused bool) {
	c.mu.Lock()
	c.paused = paused
	c.mu.Unlock()
	c.Wake()
}

// Close ends the cursor for good.
func (c *Cursor) Close() {
	c.mu.Lock()
	c.state = Closed
	c.void()
	c.mu.Unlock()
	c.fetcher.detach(c)
}

// Distrust has nothing read until Verified.
func (c *Cursor) Distrust() {
	c.mu.Lock()
	c.verify = true
	c.mu.Unlock()
	c.owner.Verify(c.id)
}

// Verified tells where the log ends and that the cursor fits it. It ends Distrust.
func (c *Cursor) Verified(end uint64) {
	c.mu.Lock()
	if c.verify {
		c.verify = false
		c.void()
		c.place.next = c.place.position
		c.place.end = max(end, c.place.position)
		c.place.more = c.place.by != nil || end > c.place.position
	} else {
		c.reaches(end)
	}
	c.mu.Unlock()
	c.Wake()
}

// Reaches tells where the log ends: a partition with much to do is seldom
// polled to its end, and its lag is to be true, too.
func (c *Cursor) Reaches(end uint64) {
	c.mu.Lock()
	c.reaches(end)
	c.mu.Unlock()
	c.Wake()
}

func (c *Cursor) reaches(end uint64) {
	if end > c.place.end {
		c.place.end, c.place.more = end, true
	}
}

// Status is a cursor at one moment.
type Status struct {
	State   State
	Failure error
	Paused  bool
	// Position is the next offset to hand over, and End the offset after the
	// log's last message, as far as known.
	Position, End uint64
	// ByTime tells that the first message was not found yet: Position means nothing.
	ByTime bool
	// Polled is the offset after the last message that the server gave; 0: none.
	Polled uint64
	// Polling tells that polls are under way.
	Polling bool
	// Watched tells that the end of the log is asked for while nothing comes.
	Watched bool
	// Distrusted tells that the cursor waits for Verified.
	Distrusted bool
	// Refused tells that the last poll was refused.
	Refused  bool
	Counters Counters
}

// Status tells how the cursor is.
func (c *Cursor) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Status{
		State: c.state, Failure: c.failure, Paused: c.paused,
		Position: c.place.position, End: c.place.end, ByTime: c.place.by != nil, Polled: c.place.polled,
		Polling: len(c.polls) > 0, Watched: c.state == Reading && !c.place.more, Distrusted: c.verify,
		Refused: c.refusal.logged, Counters: c.counters,
	}
}

// void makes the answers of the polls under way count for nothing. c.mu is held.
func (c *Cursor) void() {
	for _, p := range c.polls {
		p.void = true
	}
}
