package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
)

// Status is how a consumer is at one moment.
type Status struct {
	// Name is the consumer's name, behind that of its cluster if it has one.
	Name string
	// Stream, Topic and Group are what it consumes; Group is the name of a
	// standalone consumer.
	Stream, Topic, Group string
	// Consuming tells whether someone consumes: before that it holds nothing.
	Consuming bool
	// Connected tells whether there is a connection, and Joined whether it is a
	// member of the group.
	Connected, Joined bool
	// Partitions are those that it owns, by id.
	Partitions []PartitionStatus
	// InFlight is how many messages are with the application: delivered and
	// not acknowledged, or on the way to the dead letters. Those of lost partitions
	// count until the application is done with them.
	InFlight int
	// Buffered is how many messages are read ahead, and BufferedBytes what the
	// memory of all messages in hand takes: as they were read, and once more
	// decompressed where they were compressed.
	Buffered      int
	BufferedBytes int64
	// Lag is how many offsets the owned partitions' logs go on after their
	// acknowledged prefixes, as far as known.
	Lag uint64
	// OldestAge is how long the oldest unacknowledged message has been in hand.
	OldestAge time.Duration
	// LastError is the last thing that went wrong, and when; it stays after it is mended.
	LastError   error
	LastErrorAt time.Time
}

// PartitionStatus is how one owned partition is.
type PartitionStatus struct {
	ID uint32
	// Position is the next offset to fetch, Committed the offset stored, if
	// any, and End the offset after the log's last message, as far as known.
	Position     uint64
	Committed    uint64
	HasCommitted bool
	End          uint64
	// Lag is how many offsets the log goes on after the acknowledged prefix.
	Lag      uint64
	InFlight int
	// Leaving tells that it is being given away, and Paused that Pause was called.
	Leaving, Paused bool
	// Blocked tells that dead letters can't be written, and Stopped why nothing
	// is fetched any more.
	Blocked bool
	Stopped error
	// OldestAge is how long its oldest unacknowledged message has been in hand.
	OldestAge time.Duration
}

// Status tells how the consumer is.
func (c *Consumer[T]) Status() Status { return c.e.status() }

// Check is nil when the consumer is in order: connected, joined, no partition
// stopped or waiting for the dead letters, lag and age within max_lag and
// max_age. One that owns no partition, since others hold them all, is in order; and so is one that
// nobody consumes from, as long as it is connected. The error names everything that is not.
func (c *Consumer[T]) Check(context.Context) error {
	s := c.Status()
	c.mu.Lock()
	state := c.state
	c.mu.Unlock()
	if state >= stateStopping {
		return fmt.Errorf("iggy: consumer %s: %w", s.Name, iggyerr.ErrClosed)
	}
	var errs []error
	if !s.Connected {
		err := iggyerr.ErrNotConnected
		if last := c.e.link.Status().LastError; last != nil {
			err = fmt.Errorf("%w: %w", err, last)
		}
		errs = append(errs, err)
	} else if s.Consuming && !s.Joined {
		errs = append(errs, errors.Join(fmt.Errorf("not in the group %s", s.Group), s.LastError))
	}
	for _, p := range s.Partitions {
		if p.Stopped != nil {
			errs = append(errs, p.Stopped)
		}
		if p.Blocked {
			errs = append(errs, fmt.Errorf("partition %d waits for the dead letters", p.ID), s.LastError)
		}
	}
	if limit := c.e.cfg.MaxLag; limit > 0 && s.Lag > limit {
		errs = append(errs, fmt.Errorf("lag %d is over %d", s.Lag, limit))
	}
	if limit := c.e.cfg.MaxAge; limit > 0 && s.OldestAge > limit {
		errs = append(errs, fmt.Errorf("the oldest message is in hand for %s, over %s", s.OldestAge.Round(time.Millisecond), limit))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("iggy: consumer %s: %w", s.Name, err)
	}
	return nil
}

func (e *engine) status() Status {
	e.mu.Lock()
	s := Status{
		Name: e.name, Stream: e.identity.Stream, Topic: e.identity.Topic, Group: e.identity.Name,
		Consuming: e.started.Load(), Joined: e.joined, LastError: e.lastErr, LastErrorAt: e.lastErrAt,
	}
	owned := e.assigned
	e.mu.Unlock()
	s.Connected = e.link.Status().State == link.StateReady
	s.InFlight = e.inFlight.orphans()
	s.BufferedBytes = int64(e.prefetch.inUse().bytes + e.decompressed.inUse())
	now := time.Now().UnixNano()
	for _, p := range owned {
		p.mu.Lock()
		q := p.status(now)
		s.Buffered += p.buffered
		p.mu.Unlock()
		s.Partitions = append(s.Partitions, q)
		s.InFlight += q.InFlight
		s.Lag += q.Lag
		s.OldestAge = max(s.OldestAge, q.OldestAge)
	}
	return s
}

// status is how p is. p.mu is held.
func (p *partition) status(now int64) PartitionStatus {
	q := PartitionStatus{
		ID: p.id, Position: p.position, Committed: p.storedOffset, HasCommitted: p.hasStored, End: p.logEnd,
		InFlight: p.inFlight(), Leaving: p.phase == phaseDraining, Paused: p.paused, Blocked: p.blockedDeadLetters > 0, Stopped: p.stopErr,
	}
	reached := p.position
	if prefix, ok := p.tracker.prefix(); ok {
		reached = prefix + 1
	} else if first, ok := p.tracker.firstPending(); ok {
		reached = first
	} else if len(p.buffer) > 0 {
		reached = p.buffer[0].remaining[0].Offset
	}
	if p.logEnd > reached {
		q.Lag = p.logEnd - reached
	}
	if since, ok := p.tracker.oldestPending(); ok {
		q.OldestAge = time.Duration(max(now-since, 0))
	}
	return q
}
