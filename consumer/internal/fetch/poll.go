package fetch

import (
	"context"
	"math"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// poll is one request of a cursor.
type poll struct {
	strategy  transport.Strategy
	byTime    *byTime // where a poll by time begins, and after its answer the next one; nil: it is by offset
	purged    Purged  // messages that an answer by offset must not have
	end       uint64  // of the log, as far as known before
	count     int
	maxBytes  int  // 0: no bound
	reserved  int  // bytes of the cursor's Room
	discarded bool // its answer is not used
	began     time.Time

	// The answer.
	answered bool
	err      error
	polled   *transport.Polled // without the messages that are skipped
	complete bool              // it had as many messages as were asked for
	misfit   bool              // it has messages that were not asked for
	reach    uint64            // the offset after the last message that the server returned, or more; 0: it had none
	batch    *Batch
	wanted   int  // the memory that the batch takes with its headers copied
	refused  bool // the message was refused by its offset and read by its time
	quick    bool // it took less than twice the least round trip
}

// polls are the polls of a cursor that are in flight, in the order in which they were made.
type polls []*poll

// discard makes the cursor use no answer of these polls.
func (p polls) discard() {
	for _, one := range p {
		one.discarded = true
	}
}

// hasMessages reports whether the answer has messages.
func (p *poll) hasMessages() bool { return p.err == nil && len(p.polled.Messages) > 0 }

// last returns the answer's last message.
func (p *poll) last() *wire.Message { return &p.polled.Messages[len(p.polled.Messages)-1] }

// measure notes how much the server returned, and removes what is skipped.
func (p *poll) measure() {
	p.complete = len(p.polled.Messages) >= p.count || p.polled.Truncated
	switch {
	case !p.hasMessages():
	case p.polled.Truncated, p.refused:
		p.reach = math.MaxUint64 // it is not known
	default:
		p.reach = p.last().Offset + 1
	}
	if p.byTime != nil {
		p.polled.Messages = p.byTime.skip(p.polled, p.complete, p.end)
	} else {
		p.misfit = !p.purged.fits(p.polled.Messages)
	}
}

// release gives back the room and the memory of an answer that is not used.
func (p *poll) release(room Room) {
	room.Give(p.reserved)
	if p.batch != nil && p.batch.Recycle != nil {
		p.batch.Recycle()
	}
}

// plan prepares the next poll, if one is due; nil if none is.
func (c *Cursor) plan(now time.Time) *poll {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != Reading || !c.place.more || c.paused || c.unverified || c.pausedUntil.After(now) {
		return nil
	}
	cfg := &c.fetcher.cfg
	if n := len(c.polls); n > 0 {
		// The offset of the next poll is known only while the answers are as expected.
		known := !c.place.byTime.on(c.place.position) && !c.place.anyOffset && !c.polls[n-1].discarded && c.place.next < c.place.end && c.pausedUntil.IsZero()
		if !known || n >= c.depth.polls || cfg.AtMostOnce {
			return nil
		}
	}
	prefetch := c.depth.polls + bufferedPolls - 1
	if cfg.AtMostOnce {
		prefetch = 1 // what is read and not delivered gets lost with the process
	}
	if len(c.polls)+c.queue.Buffered() >= prefetch {
		return nil
	}
	p := &poll{strategy: transport.Strategy{Kind: transport.FromOffset, Value: c.place.next}, purged: c.place.byTime.purged, end: c.place.end, began: now}
	if c.place.byTime.on(c.place.position) {
		since := c.place.byTime
		p.byTime, p.strategy = &since, transport.Strategy{Kind: transport.FromTimestamp, Value: since.since}
	}
	if !c.reserve(p) {
		return nil
	}
	c.polls = append(c.polls, p)
	if p.byTime == nil {
		c.place.next = p.strategy.Value + uint64(p.count)
	}
	return p
}

// run makes a poll and has the cursor apply its answer.
func (f *Fetcher) run(ctx context.Context, c *Cursor, p *poll) {
	err := f.session.Do(ctx, func(ctx context.Context, conn transport.Conn) (err error) {
		if p.byTime == nil && p.count == 1 && c.history.isUnreadable(p.strategy.Value) {
			return f.log.refused(c.id)
		}
		p.polled, err = conn.Poll(ctx, transport.Poll{
			Consumer:  f.cfg.Consumer,
			Partition: int64(c.id),
			Strategy:  p.strategy,
			Count:     uint32(p.count),
			MaxBytes:  p.maxBytes,
		})
		if protocol.IsInvalidOffset(err) && p.count == 1 && p.byTime == nil {
			p.polled, err = f.log.readByTime(ctx, conn, c.id, c.history, p.strategy.Value)
			p.refused = err == nil
		}
		return err
	})
	now := time.Now()
	took := now.Sub(p.began)
	f.cfg.Observe(took)
	p.quick = took < 2*f.roundTrip.Observe(took, now)
	if err == nil {
		p.measure()
		p.batch, p.wanted = newBatch(p.polled, p.reserved, !f.cfg.AtMostOnce)
		if f.cfg.AtMostOnce && p.hasMessages() && !p.misfit && p.polled.Partition == c.id {
			// The offset is stored before the messages are delivered.
			last := p.last()
			if err = f.cfg.Store(ctx, c.id, last.Offset); err == nil {
				c.history.Stored(last.Offset, last.Timestamp)
			}
		}
	}
	p.err = err
	for _, do := range c.applyAnswers(p) {
		do()
	}
	if err != nil && !isStop(err) {
		c.owner.PollFailed(c.id, err)
	}
	f.ready(c)
}
