package fetch

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/coalesce"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// looksPerPause is how often the watch looks in vain before its pause is
// doubled: what comes every few milliseconds is to be noticed at once.
const looksPerPause = 4

// watch asks for the ends of the logs while partitions have been read to
// theirs, in one request for all of them: there is no long polling. It asks
// soon after messages came, and less and less often while none do.
func (f *Fetcher) watch(ctx context.Context) {
	least := f.cfg.PollIntervalMin
	pause, vain := least, 0
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.active:
			vain = 0
			if pause > least {
				pause = least
				timer.Reset(pause)
			}
			continue
		case <-timer.C:
		}
		if vain++; f.look(ctx) {
			pause, vain = least, 0
		} else if vain%looksPerPause == 0 {
			pause = min(2*pause, f.cfg.PollIntervalMax)
		}
		timer.Reset(coalesce.Delay(pause))
	}
}

// watched is a cursor that was read to the end of its log.
type watched struct {
	cursor   *Cursor
	position uint64
}

// look compares the positions of the cursors that were read to the ends of
// their logs with the ends as they are now, and tells whether there is
// something to read.
func (f *Fetcher) look(ctx context.Context) bool {
	f.mu.Lock()
	cursors := slices.Clone(f.cursors)
	f.mu.Unlock()
	var idle []watched
	for _, c := range cursors {
		if position, ok := c.idle(); ok {
			idle = append(idle, watched{c, position})
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
	var status *iggyerr.StatusError
	if err != nil && !errors.As(err, &status) {
		return false // the session's end is noticed elsewhere
	}
	found := false
	for _, at := range idle {
		var more bool
		if err != nil {
			// Not permitted, or the topic is gone: polls will tell.
			more = at.cursor.tryPoll(at.position)
		} else {
			more = at.cursor.compare(at.position, meta)
		}
		if more {
			found = true
			f.ready(at.cursor)
		}
	}
	if err != nil {
		f.cfg.Log.Debug("reading the topic failed, polling each partition", zap.Error(err))
	}
	return found && err == nil
}

// idle tells whether the cursor was read to the end of its log, and where it is.
func (c *Cursor) idle() (position uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.place.position, c.state == Reading && !c.place.more && len(c.polls) == 0 && !c.verify
}

// still tells whether the cursor is idle at position. c.mu is held.
func (c *Cursor) still(position uint64) bool {
	return c.state == Reading && !c.place.more && len(c.polls) == 0 && c.place.position == position
}

// tryPoll has an idle cursor poll.
func (c *Cursor) tryPoll(position uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.still(position) {
		return false
	}
	c.place.more = true
	return true
}

// compare looks at the end of an idle cursor's log and tells whether there is more to read.
func (c *Cursor) compare(position uint64, meta transport.Topic) bool {
	c.mu.Lock()
	at := &c.place
	end, ok := LogEnd(meta, c.id)
	if !ok || !c.still(position) {
		c.mu.Unlock()
		return false
	}
	verify, more := false, false
	switch {
	case end < at.position && at.by == nil, end < at.end:
		verify, c.verify = true, true
	case at.by == nil && end > at.position || end > at.end:
		at.end, at.more, more = end, true, true
	}
	c.mu.Unlock()
	if verify {
		c.owner.Verify(c.id)
	}
	return more
}
