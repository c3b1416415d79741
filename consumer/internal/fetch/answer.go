package fetch

import (
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// applyAnswers applies the answers that have come, in the order of their polls; p is the last one.
// It returns what is to be done without the lock.
func (c *Cursor) applyAnswers(p *poll) (after []func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.answered = true
	for len(c.polls) > 0 && c.polls[0].answered {
		first := c.polls[0]
		c.polls[0] = nil
		c.polls = c.polls[1:]
		if first.err != nil {
			after = c.applyError(first, after)
		} else {
			after = c.apply(first, after)
		}
		// The next poll continues here, or its messages are polled again.
		if len(c.polls) == 0 {
			c.place.next = c.place.position
		} else if c.polls[0].strategy.Value != c.place.position {
			c.polls.discard()
		}
	}
	if len(c.polls) == 0 && (c.state == Stopped || c.state == Failed) {
		after = append(after, func() { c.owner.Stopped(c.id) })
	}
	return after
}

// apply applies one answer. c.mu is held.
func (c *Cursor) apply(p *poll, after []func()) []func() {
	cfg := &c.fetcher.cfg
	after = c.answered(after)
	if p.reach > 0 && c.state != Closed {
		c.place.polled = p.reach
	}
	if accepts := c.state == Reading || c.state == Stopped && cfg.AtMostOnce; !accepts || p.discarded {
		p.release(c.room)
		return after
	}
	if p.misfit {
		p.release(c.room)
		return c.requireVerify(after)
	}
	c.history.grow(cfg.BatchSize)
	if p.refused {
		offset := p.strategy.Value
		after = append(after, func() {
			c.log.Warn("message refused by offset, read by timestamp", zap.Uint64("offset", offset))
		})
	}
	if p.byTime != nil {
		c.place.setByTime(*p.byTime)
		c.history.purged(p.byTime.purged)
	}
	if !p.hasMessages() {
		p.release(c.room)
		if p.complete { // all of its messages were skipped, and there may be more
			return after
		}
		return c.applyEmpty(p.polled, after)
	}
	messages := p.polled.Messages
	if first := messages[0].Offset; !c.place.anyOffset && first != c.place.position {
		var proceed bool
		if proceed, after = c.applyGap(first, after); !proceed {
			p.release(c.room)
			return after
		}
	}
	c.depth.answered(p.complete && c.queue.Buffered() == 0, p.quick)
	c.history.learn(p.wanted / len(messages))
	c.counters.Polls++
	c.counters.Messages += int64(len(messages))
	c.counters.Bytes += int64(p.batch.Encoded)
	c.place.advance(p.polled)
	c.history.first(&messages[0])
	c.room.Give(p.reserved - p.batch.Bytes)
	c.queue.Offer(p.batch)
	c.fetcher.topic.MessagesRead()
	return after
}

// maxAnnounced is how long messages may be announced that are not readable before that is in doubt.
const maxAnnounced = 2 * time.Second

// applyEmpty applies an answer without messages: the end of the log, or a partition or a log that
// has changed. c.mu is held.
func (c *Cursor) applyEmpty(polled *transport.Polled, after []func()) []func() {
	cfg, at := &c.fetcher.cfg, &c.place
	at.more = false
	if at.byTime.begins {
		return after // there is no message of that time yet
	}
	changed := false
	switch {
	case cfg.Consumer.Group && polled.Partition != c.id:
		// The server's answer for a partition of another member.
		changed = true
	case polled.CurrentOffset+1 < at.position, polled.CurrentOffset+1 < at.end:
		// Partition 0 for a member that owns nothing, or a log that was truncated.
		changed = at.position > 0 || at.end > 1
	case polled.CurrentOffset >= at.position && polled.CurrentOffset > 0, at.end > at.position:
		// Announced but not readable yet.
		at.more = true
		waited := at.waited(time.Now())
		c.pauseFor(min(max(waited, cfg.PollIntervalMin), cfg.PollIntervalMax))
		changed = waited >= maxAnnounced
	default:
		at.end, at.announced = max(at.end, at.position), time.Time{}
	}
	if changed {
		after = c.requireVerify(after)
	}
	return after
}

// requireVerify reads nothing more until Verified. c.mu is held.
func (c *Cursor) requireVerify(after []func()) []func() {
	c.unverified = true
	c.polls.discard()
	return append(after, func() { c.owner.NeedsVerify(c.id) })
}
