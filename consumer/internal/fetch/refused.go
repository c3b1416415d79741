package fetch

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// answered notes that a poll was answered. c.mu is held.
func (c *Cursor) answered(after []func()) []func() {
	c.pausedUntil = time.Time{}
	if lasted, was := c.refused.End(); was {
		after = append(after, func() { c.log.Info("polls are answered again", zap.Duration("elapsed", lasted)) })
	}
	return after
}

// isStop reports whether a request failed only because the consumer or the session ends.
func isStop(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, iggyerr.ErrClosed)
}

// applyError applies a poll without an answer: the cursor pauses, and asks for fewer messages if
// the answer may have been too large or can't be read. The owner is told by run. c.mu is held.
func (c *Cursor) applyError(p *poll, after []func()) []func() {
	p.release(c.room)
	c.polls.discard() // those behind it would leave a gap
	var conn *iggyerr.ConnError
	sent := errors.As(p.err, &conn) && conn.Sent
	malformed := sent && errors.Is(p.err, transport.ErrUndecodable)
	if malformed {
		// One of the messages can't be read. This ended the session, and perhaps the cursor
		// already.
		c.history.shrink(p.count)
		switch {
		case p.byTime != nil:
			c.history.saved(p.byTime.reached())
		case p.count == 1:
			c.history.setUnreadable(p.strategy.Value)
		}
	}
	if p.discarded || c.state == Closed || isStop(p.err) {
		return after
	}
	if sent && !malformed {
		// The answer may have been too large for the request timeout.
		c.history.shrink(p.count)
	}
	cfg := &c.fetcher.cfg
	pause := max(cfg.RetryPause, cfg.PollIntervalMax)
	switch {
	case protocol.IsInvalidOffset(p.err) && p.count > 1:
		// One of the messages can't be read, and not the others.
		c.history.shrinkTo(max(1, p.count/8))
		pause = cfg.PollIntervalMin
	case protocol.IsRefused(p.err) && !protocol.IsLost(p.err) && c.refused.Occurred(p.err):
		offset, err := c.place.position, p.err
		after = append(after, func() {
			c.log.Warn("poll refused, retrying", zap.Uint64("offset", offset), zap.Error(err))
		})
	}
	c.pauseFor(pause)
	return after
}

// pauseFor makes no poll for a while. c.mu is held.
func (c *Cursor) pauseFor(d time.Duration) {
	c.pausedUntil = time.Now().Add(d)
	time.AfterFunc(d, func() { c.fetcher.ready(c) })
}
