package fetch

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// poll is one request of a cursor.
type poll struct {
	strategy transport.Strategy
	count    int
	maxBytes int // 0: no bound
	reserved int // bytes of the cursor's Room
	void     bool
	began    time.Time

	// The answer.
	answered bool
	err      error
	polled   *transport.Polled
	batch    *Batch
	wanted   int
	byTime   bool // the message was refused by its offset and read by its time
	quick    bool
}

// messages tells whether the answer has messages of the partition.
func (p *poll) messages() bool { return p.err == nil && len(p.polled.Messages) > 0 }

// last is the offset of the answer's last message.
func (p *poll) last() uint64 { return p.polled.Messages[len(p.polled.Messages)-1].Offset }

// wantsPoll tells whether there may be something to read, room aside. c.mu is held.
func (c *Cursor) wantsPoll() bool {
	return c.state == Reading && c.place.more && !c.paused && !c.verify
}

// plan prepares the next poll, if one is due; nil if none is.
func (c *Cursor) plan(now time.Time) *poll {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.wantsPoll() || c.refusal.until.After(now) {
		return nil
	}
	cfg := &c.fetcher.cfg
	if n := len(c.polls); n > 0 {
		// The offset of the next poll is known only while nothing surprises.
		certain := c.place.by == nil && !c.place.anyFirst && !c.polls[n-1].void && c.place.next < c.place.end && c.refusal.until.IsZero()
		if !certain || n >= c.depth.polls || cfg.AtMostOnce {
			return nil
		}
	}
	if len(c.polls)+c.queue.Buffered() >= c.depth.polls+bufferedPolls-1 {
		return nil
	}
	p := &poll{strategy: transport.Strategy{Kind: transport.FromOffset, Value: c.place.next}, began: now}
	if c.place.by != nil {
		p.strategy = *c.place.by
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

// reserve takes room for the answer of p. c.mu is held.
func (c *Cursor) reserve(p *poll) bool {
	average, limit := c.history.learned()
	count := min(c.fetcher.cfg.BatchSize, limit)
	// What is asked for should not be cut off because some messages are a little larger.
	each := average + average/16
	if p.reserved = c.room.Take(count*each, each); p.reserved <= 0 {
		return false
	}
	p.count = max(1, min(count, p.reserved/each))
	p.maxBytes = p.reserved
	if p.strategy.Kind == transport.FromTimestamp {
		// Without a bound in bytes, which might leave nothing but what
		// transport.Supersede is about; so for one message only.
		p.count, p.maxBytes = 1, 0
	}
	return true
}

// run makes the poll and takes its answer over.
func (f *Fetcher) run(ctx context.Context, c *Cursor, p *poll) {
	err := f.session.Do(ctx, func(ctx context.Context, conn transport.Conn) (err error) {
		p.polled, err = conn.Poll(ctx, transport.Poll{
			Consumer:  f.cfg.Consumer,
			Partition: int64(c.id),
			Strategy:  p.strategy,
			Count:     uint32(p.count),
			MaxBytes:  p.maxBytes,
		})
		if unreadable(err) && p.count == 1 && p.strategy.Kind == transport.FromOffset {
			p.polled, err = f.log.ReadByTime(ctx, conn, c.id, c.history, p.strategy.Value)
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
			// What is handed out must be committed first.
			if err = f.cfg.Store(ctx, c.id, p.last()); err == nil {
				c.history.Stored(p.last())
			}
		}
	}
	p.err = err
	after := c.answer(p)
	for _, do := range after {
		do()
	}
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, iggyerr.ErrClosed) {
		c.owner.PollFailed(c.id, err)
	}
	f.ready(c)
}

// answer takes over the answers that have come, in the order of their polls. It
// gives what is to be done without the lock.
func (c *Cursor) answer(p *poll) (after []func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.answered = true
	for len(c.polls) > 0 && c.polls[0].answered {
		first := c.polls[0]
		c.polls[0] = nil
		c.polls = c.polls[1:]
		if first.err != nil {
			after = c.refused(first, after)
		} else {
			after = c.arrived(first, after)
		}
		// What follows continues here, or is polled again.
		if len(c.polls) == 0 {
			c.place.next = c.place.position
		} else if c.polls[0].strategy.Value != c.place.position {
			c.void()
		}
	}
	if len(c.polls) == 0 && c.state == Stopped {
		after = append(after, func() { c.owner.Stopped(c.id) })
	}
	return after
}

// drop gives up an answer. c.mu is held.
func (c *Cursor) drop(p *poll) {
	c.room.Give(p.reserved)
	if p.batch != nil && p.batch.Recycle != nil {
		p.batch.Recycle()
	}
}

// arrived takes an answer over. c.mu is held.
func (c *Cursor) arrived(p *poll, after []func()) []func() {
	cfg := &c.fetcher.cfg
	c.refusal = refusal{}
	if p.messages() && c.state != Closed {
		c.place.polled = p.last() + 1
	}
	if accepts := c.state == Reading || c.state == Stopped && cfg.AtMostOnce; !accepts || p.void {
		c.drop(p)
		return after
	}
	c.history.grow(cfg.BatchSize)
	if p.byTime {
		offset := p.strategy.Value
		after = append(after, func() {
			c.log.Warn("message refused by offset, read by timestamp", zap.Uint64("offset", offset))
		})
	}
	if !p.messages() {
		c.drop(p)
		return c.nothing(p.polled, after)
	}
	messages := p.polled.Messages
	if first := messages[0].Offset; c.place.by == nil && !c.place.anyFirst && first != c.place.position {
		var goOn bool
		if goOn, after = c.gap(first, after); !goOn {
			c.drop(p)
			return after
		}
	}
	complete := len(messages) >= p.count || p.polled.Truncated
	c.depth.answered(complete && c.queue.Buffered() == 0, p.quick)
	c.place.by, c.place.anyFirst = nil, false
	c.history.learn(p.wanted / len(messages))
	c.counters.Polls++
	c.counters.Messages += int64(len(messages))
	c.counters.Bytes += int64(p.batch.Encoded)
	c.place.position = p.last() + 1
	c.place.end = max(p.polled.CurrentOffset+1, c.place.position)
	c.place.more = c.place.position < c.place.end
	c.skipHandled(p.batch)
	if len(p.batch.Messages) == 0 {
		c.drop(p)
	} else {
		c.history.first(&p.batch.Messages[0])
		c.room.Give(p.reserved - p.batch.Bytes)
		c.queue.Offer(p.batch)
	}
	c.fetcher.came()
	return after
}

// skipHandled removes what was handled before from the start of b. c.mu is held.
func (c *Cursor) skipHandled(b *Batch) {
	if c.place.handled == (Handled{}) {
		return
	}
	n := 0
	for n < len(b.Messages) && c.place.handled.covers(&b.Messages[n]) {
		n++
	}
	if b.skip(n); len(b.Messages) > 0 {
		c.place.handled = Handled{} // the others are behind
	}
}

// nothing looks at an answer without messages: the end of the log, or a
// partition that is not what it was. c.mu is held.
func (c *Cursor) nothing(polled *transport.Polled, after []func()) []func() {
	c.place.more = false
	if c.place.by != nil {
		return after // a time that has no message yet
	}
	cfg, at := &c.fetcher.cfg, &c.place
	switch {
	case cfg.Consumer.Group && polled.Partition != c.id:
		// The server's answer for a partition of another member.
		c.verify = true
	case polled.CurrentOffset+1 < at.position, polled.CurrentOffset+1 < at.end:
		// Partition 0 for a member that owns nothing, or a log that was truncated.
		c.verify = at.position > 0 || at.end > 1
	case polled.CurrentOffset >= at.position && polled.CurrentOffset > 0:
		// Announced but not readable yet.
		at.more = true
		c.pause(cfg.PollIntervalMin)
	default:
		at.end = max(at.end, at.position)
	}
	if c.verify {
		c.void()
		after = append(after, func() { c.owner.Verify(c.id) })
	}
	return after
}

// pause keeps the cursor from polling for a while. c.mu is held.
func (c *Cursor) pause(d time.Duration) {
	c.refusal.until = time.Now().Add(d)
	time.AfterFunc(d, func() { c.fetcher.ready(c) })
}

// refused looks at a poll without an answer. c.mu is held.
func (c *Cursor) refused(p *poll, after []func()) []func() {
	c.drop(p)
	c.void() // those behind it would leave a gap
	if p.void || c.state == Closed || errors.Is(p.err, context.Canceled) || errors.Is(p.err, iggyerr.ErrClosed) {
		return after
	}
	var conn *iggyerr.ConnError
	if errors.As(p.err, &conn) && conn.Sent {
		// Perhaps the answer was too large for the time there is.
		c.history.shrink(p.count)
	}
	cfg := &c.fetcher.cfg
	wait := max(cfg.RetryPause, cfg.PollIntervalMax)
	var status *iggyerr.StatusError
	switch {
	case unreadable(p.err) && p.count > 1:
		// One of the messages is to blame, and not the others.
		c.history.shrinkTo(max(1, p.count/8))
		wait = cfg.PollIntervalMin
	case errors.As(p.err, &status) && !cfg.Lost(p.err) && !c.refusal.logged:
		c.refusal.logged = true
		offset, err := c.place.position, p.err
		after = append(after, func() {
			c.log.Warn("poll refused, retrying", zap.Uint64("offset", offset), zap.Error(err))
		})
	}
	c.pause(wait)
	return after
}

// gap looks at a jump: the log continues at first and not at the position, since
// messages were deleted by retention or lost. It tells whether to go on. c.mu
// is held.
func (c *Cursor) gap(first uint64, after []func()) (goOn bool, also []func()) {
	cfg, expected := &c.fetcher.cfg, c.place.position
	if first < expected {
		// Not a gap, but nothing to trust either.
		c.verify = true
		c.void()
		return false, append(after, func() { c.owner.Verify(c.id) })
	}
	missing := first - expected
	c.counters.Gaps++
	c.counters.GapMessages += int64(missing)
	after = append(after, func() {
		c.log.Warn("messages missing from the log", zap.Uint64("expected", expected), zap.Uint64("offset", first), zap.Uint64("count", missing))
	})
	if !cfg.StopAtGap {
		return true, after
	}
	c.state = Failed
	c.failure = gapError(cfg.Consumer, c.id, expected, first)
	err := c.failure
	return false, append(after, func() { c.owner.Failed(c.id, err) })
}

// learned gives the average size of a message and how many a poll may ask for.
func (h *History) learned() (average, limit int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sizes.average, h.sizes.limit
}

// learn notes the average size of the messages of an answer.
func (h *History) learn(size int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sizes.average = max(wire.MessageHeaderSize, (h.sizes.average+3*size)/4)
}

// grow doubles how many messages a poll may ask for.
func (h *History) grow(batchSize int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sizes.limit = min(2*h.sizes.limit, batchSize)
}

// shrink has polls ask for an eighth of what one asked for that was not
// answered in time.
func (h *History) shrink(count int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sizes.limit = max(1, min(count, h.sizes.limit)/8)
}

// shrinkTo has polls ask for limit messages.
func (h *History) shrinkTo(limit int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sizes.limit = limit
}
