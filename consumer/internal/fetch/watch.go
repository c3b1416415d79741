package fetch

import (
	"context"
	"slices"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/watch"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// join makes the fetcher a member that waits for messages of its topic: the ends of the logs
// of the partitions that have been read to their ends are read in one request for all of them.
func (f *Fetcher) join(ctx context.Context) *watch.Member {
	key := watch.Key{Server: f.cfg.Server, Stream: f.cfg.Consumer.Stream, Topic: f.cfg.Consumer.Topic}
	return f.cfg.Topics.Join(key, watch.Intervals{Min: f.cfg.PollIntervalMin, Max: f.cfg.PollIntervalMax}, watch.Reader{
		Waiting: f.waiting,
		Look: func() (meta transport.Topic, err error) {
			err = f.session.Do(ctx, func(ctx context.Context, c transport.Conn) error {
				meta, err = c.Topic(ctx, key.Stream, key.Topic)
				return err
			})
			return meta, err // the session's owner notices its end
		},
	})
}

// waiting returns a function that compares the positions of the cursors that have read everything
// with the ends of their logs; nil when there is no such cursor.
func (f *Fetcher) waiting() watch.Compare {
	f.mu.Lock()
	cursors := slices.Clone(f.cursors)
	f.mu.Unlock()
	idle := cursors[:0]
	positions := make([]uint64, 0, len(cursors)) // of idle, before the ends were read
	for _, c := range cursors {
		if position, ok := c.idle(); ok {
			idle, positions = append(idle, c), append(positions, position)
		}
	}
	if len(idle) == 0 {
		return nil
	}
	return func(meta transport.Topic, refused error) (found bool) {
		if refused != nil {
			f.cfg.Log.Debug("reading the topic failed, polling each partition", zap.Error(refused))
		}
		for i, c := range idle {
			var more bool
			if refused != nil {
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
		return found
	}
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
