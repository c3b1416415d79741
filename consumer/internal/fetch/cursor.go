package fetch

import (
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fault"
)

// Queue is the prefetch buffer of a partition. Its methods are called under the cursor's lock: they
// must not block, and must not call the cursor.
type Queue interface {
	// Offer adds a batch.
	Offer(b *Batch)
	// Buffered returns how many batches are in the buffer.
	Buffered() int
}

// Owner is told what a cursor notices. Its methods must not block, and are not called under a lock.
type Owner interface {
	// NeedsVerify says that what was read does not fit the position: nothing is read before
	// Cursor.Verified or Cursor.Close.
	NeedsVerify(partition uint32)
	// PollFailed says that a poll was refused, or not answered.
	PollFailed(partition uint32, err error)
	// Failed says that a partition is not read any more.
	Failed(partition uint32, err error)
	// Stopped says that a stopped or failed cursor has no more polls in flight.
	Stopped(partition uint32)
}

// State is the state of a cursor.
type State uint8

const (
	// Prepared reads nothing until Start.
	Prepared State = iota
	// Reading polls, unless the application paused the partition.
	Reading
	// Stopped reads nothing until Resume.
	Stopped
	// Failed reads nothing any more: on_gap or on_reset is stop.
	Failed
	// Closed is after Close.
	Closed
)

// Cursor reads one assignment of a partition. Its methods are safe for concurrent use.
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
	place    place
	polls    polls
	depth    depth
	refused  fault.Fault // the server refuses polls
	counters Counters

	// pausedUntil is before when no poll is made, after one that was refused.
	pausedUntil time.Time
	// unverified tells that what was read does not fit the position: nothing is read until
	// Verified.
	unverified bool
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
		log:   f.cfg.Log.With(zap.Uint32("partition", id)),
		place: newPlace(s, history.remembered().Purged),
	}
	c.depth.reset()
	if s.Failed != nil {
		c.state, c.failure = Failed, s.Failed
	}
	return c
}

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

// Wake has the cursor poll if a poll is due: there may be more to read, or more room for it.
func (c *Cursor) Wake() { c.fetcher.ready(c) }

// Stop ends reading until Resume. Answers of polls in flight are not used, unless messages are
// acknowledged when they are read: nobody else would get those.
func (c *Cursor) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != Reading {
		return
	}
	c.state = Stopped
	if !c.fetcher.cfg.AtMostOnce {
		c.polls.discard()
	}
}

// ReadFrom moves the cursor back to an offset that it has read: the messages from there on were
// offered and not delivered. It is called after Stop; reading begins with Resume. One that failed
// at a gap reads up to the gap again.
func (c *Cursor) ReadFrom(offset uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == Failed {
		c.state, c.failure = Stopped, nil
	}
	c.polls.discard()
	c.place.readFrom(offset)
}

// Resume ends Stop.
func (c *Cursor) Resume() {
	c.mu.Lock()
	if c.state == Stopped {
		c.state = Reading
		c.place.more = true
	}
	c.mu.Unlock()
	c.Wake()
}

// Pause stops reading for the application, and Pause(false) ends that.
func (c *Cursor) Pause(paused bool) {
	c.mu.Lock()
	c.paused = paused
	c.mu.Unlock()
	c.Wake()
}

// Close ends the cursor.
func (c *Cursor) Close() {
	c.mu.Lock()
	c.state = Closed
	c.polls.discard()
	c.mu.Unlock()
	c.fetcher.detach(c)
}

// NeedsVerify reads nothing more until Verified, and tells the owner.
func (c *Cursor) NeedsVerify() {
	c.mu.Lock()
	c.unverified = true
	c.mu.Unlock()
	c.owner.NeedsVerify(c.id)
}

// Verified says where the log ends, and that the cursor's position is in it. It ends what
// NeedsVerify began.
func (c *Cursor) Verified(end uint64) {
	c.mu.Lock()
	if c.unverified {
		c.unverified = false
		c.polls.discard()
		c.place.restart(end)
	} else {
		c.place.extend(end)
	}
	c.mu.Unlock()
	c.Wake()
}

// SetEnd says where the log ends. A partition with many messages to read is seldom polled to its
// end, and its lag should be right, too.
func (c *Cursor) SetEnd(end uint64) {
	c.mu.Lock()
	c.place.extend(end)
	c.mu.Unlock()
	c.Wake()
}

// Status is the status of a cursor at one moment.
type Status struct {
	State   State
	Failure error
	// Position is the next offset to offer to the queue, and End the offset after the log's last
	// message, as far as known.
	Position, End uint64
	// ByTime tells that reading begins at a time whose first message was not read yet: Position
	// means nothing.
	ByTime bool
	// Polled is the offset after the last message that the server returned, or more where that is
	// not known; 0: none.
	Polled uint64
	// Polling tells that polls are in flight.
	Polling bool
	// AtEnd tells that everything was read: the fetcher watches the end of the log.
	AtEnd bool
	// Unverified tells that the cursor reads nothing until Verified.
	Unverified bool
	// Refused says why the server refused the last poll; nil when it did not.
	Refused  error
	Counters Counters
}

// Status returns the status of the cursor.
func (c *Cursor) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Status{
		State: c.state, Failure: c.failure,
		Position: c.place.position, End: c.place.end, ByTime: c.place.byTime.begins, Polled: c.place.polled,
		Polling: len(c.polls) > 0, AtEnd: c.state == Reading && !c.place.more, Unverified: c.unverified,
		Refused: c.refused.Cause(), Counters: c.counters,
	}
}
