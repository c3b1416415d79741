package fetch

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/coalesce"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// checksPerPause is how many checks without new messages there are before the pause is doubled:
// messages that come every few milliseconds should be noticed at once.
const checksPerPause = 4

// watch reads the ends of the logs of the partitions that have been read to their ends, in one
// request for all of them: there is no long polling. It does so soon after messages were read, and
// less and less often while there are none.
func (f *Fetcher) watch(ctx context.Context) {
	least := f.cfg.PollIntervalMin
	pause, unchanged := least, 0
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.active:
			unchanged = 0
			if pause > least {
				pause = least
				timer.Reset(pause)
			}
			continue
		case <-timer.C:
		}
		if unchanged++; f.checkEnds(ctx) {
			pause, unchanged = least, 0
		} else if unchanged%checksPerPause == 0 {
			pause = min(2*pause, f.cfg.PollIntervalMax)
		}
		timer.Reset(coalesce.Delay(pause))
	}
}

// checkEnds compares the positions of the cursors that have read everything with the ends of their
// logs, and reports whether there is something to read.
func (f *Fetcher) checkEnds(ctx context.Context) bool {
	f.mu.Lock()
	cursors := slices.Clone(f.cursors)
	f.mu.Unlock()
	var idle []*Cursor
	var positions []uint64 // of idle, before the ends were read
	for _, c := range cursors {
		if position, ok := c.idle(); ok {
			idle, positions = append(idle, c), append(positions, position)
		}
	}
	if len(idle) == 0 {
		return false
	}
	var meta transport.Topic
	err := f.session.Do(ctx, func(ctx context.Context, c transport.Conn) (err error) {
		meta, err = c.Topic(ctx, f.cfg.Consumer.Stream, f.cfg.Consumer.Topic)
		return err
	})
	if err != nil && !protocol.IsRefused(err) {
		return false // the session's owner notices its end
	}
	found := false
	for i, c := range idle {
		var more bool
		if err != nil {
			// Not permitted, or the topic does not exist: a poll shows which.
			more = c.tryPoll(positions[i])
		} else {
			more = c.compareEnd(positions[i], meta)
		}
		if more {
			found = true
			f.ready(c)
		}
	}
	if err != nil {
		f.cfg.Log.Debug("reading the topic failed, polling each partition", zap.Error(err))
	}
	return found && err == nil
}

// idle reports whether the cursor has read everything, and returns its position.
func (c *Cursor) idle() (position uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.place.position, c.idleAt(c.place.position) && !c.unverified
}

// idleAt reports whether the cursor has read everything before position, and nothing since. c.mu is
// held.
func (c *Cursor) idleAt(position uint64) bool {
	return c.state == Reading && !c.place.more && len(c.polls) == 0 && c.place.position == position
}

// tryPoll has a cursor poll that is still idle at position.
func (c *Cursor) tryPoll(position uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.idleAt(position) {
		return false
	}
	c.place.more = true
	return true
}

// compareEnd compares a cursor that is still idle at position with the end of its log, and reports
// whether there is more to read.
func (c *Cursor) compareEnd(position uint64, meta transport.Topic) (more bool) {
	end, ok := protocol.LogEnd(meta, c.id)
	if !ok {
		return false
	}
	c.mu.Lock()
	at, truncated := &c.place, false
	if c.idleAt(position) {
		switch {
		case end < at.position && !at.byTime.begins, end < at.end:
			truncated, c.unverified = true, true
		case !at.byTime.begins && end > at.position || end > at.end:
			at.end, at.more, more = end, true, true
		}
	}
	c.mu.Unlock()
	if truncated {
		c.owner.NeedsVerify(c.id)
	}
	return more
}
