package fetch

import (
	"context"
	"math"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// poll is one request of a cursor.
type poll struct {
	strategy  transport.Strategy
	count     int
	maxBytes  int  // 0: no bound
	reserved  int  // bytes of the cursor's Room
	discarded bool // its answer is not used
	began     time.Time

	// The answer.
	answered bool
	err      error
	polled   *transport.Polled
	batch    *Batch
	wanted   int  // the memory that the batch takes with its headers copied
	byTime   bool // the message was refused by its offset and read by its time
	quick    bool // see roundTrip
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

// last returns the offset of the answer's last message.
func (p *poll) last() uint64 { return p.polled.Messages[len(p.polled.Messages)-1].Offset }

// reach returns the offset after the last message that the server returned. It is not known where
// messages were dropped, or read by their time: math.MaxUint64 then.
func (p *poll) reach() uint64 {
	if p.polled.Truncated || p.byTime {
		return math.MaxUint64
	}
	return p.last() + 1
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
		known := c.place.strategy == nil && !c.place.anyOffset && !c.polls[n-1].discarded && c.place.next < c.place.end && c.pausedUntil.IsZero()
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
	p := &poll{strategy: transport.Strategy{Kind: transport.FromOffset, Value: c.place.next}, began: now}
	if c.place.strategy != nil {
		p.strategy = *c.place.strategy
	}
	if !c.reserve(p) {
		return nil
	}
	c.polls = append(c.polls, p)
	if p.strategy.Kind == transport.FromOffset {
		c.place.next = p.strategy.Value + uint64(p.count)
	}
	return p
}

// run makes a poll and has the cursor apply its answer.
func (f *Fetcher) run(ctx context.Context, c *Cursor, p *poll) {
	err := f.session.Do(ctx, func(ctx context.Context, conn transport.Conn) (err error) {
		p.polled, err = conn.Poll(ctx, transport.Poll{
			Consumer:  f.cfg.Consumer,
			Partition: int64(c.id),
			Strategy:  p.strategy,
			Count:     uint32(p.count),
			MaxBytes:  p.maxBytes,
		})
		if protocol.IsInvalidOffset(err) && p.count == 1 && p.strategy.Kind == transport.FromOffset {
			p.polled, err = f.log.readByTime(ctx, conn, c.id, c.history, p.strategy.Value)
			p.byTime = err == nil
		}
		return err
	})
	now := time.Now()
	took := now.Sub(p.began)
	f.cfg.Observe(took)
	p.quick = f.roundTrip.quick(took, now)
	if err == nil {
		p.batch, p.wanted = newBatch(p.polled, p.reserved, !f.cfg.AtMostOnce)
		if f.cfg.AtMostOnce && len(p.polled.Messages) > 0 && p.polled.Partition == c.id {
			// The offset is stored before the messages are delivered.
			if err = f.cfg.Store(ctx, c.id, p.last()); err == nil {
				c.history.Stored(p.last())
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
