package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/startstop"
)

// Status is the state of a consumer at one moment.
type Status struct {
	// Name is the consumer's name, with the name of its cluster before it if that has one.
	Name string
	// Stream, Topic and Group are what it consumes. Group is the name of a standalone consumer,
	// empty for one without a name.
	Stream, Topic, Group string
	// Standalone tells that it belongs to no group.
	Standalone bool
	// Consuming tells whether someone consumes. Before that it has no partition.
	Consuming bool
	// Connected tells whether there is a connection, and Joined whether it is a member of the group. A
	// standalone consumer has joined when it knows the partitions.
	Connected, Joined bool
	// Partitions are the assigned partitions, by id.
	Partitions []PartitionStatus
	// Parked is the state of the consumer as a reader of its parked messages: their topic, the assigned
	// partitions of it, and its Lag, which is how many messages are parked in these. It is nil when no
	// messages are parked; see WithParking.
	Parked *Status
	// InFlight is how many messages are in flight: delivered and not acknowledged, or on the way to
	// the dead letters or the parked messages. Orphaned deliveries of lost partitions count until they
	// are settled. InFlight, Waiting, Buffered and OldestAge include messages that were parked.
	InFlight int
	// Waiting is how many messages wait for their redelivery in memory. They are not in flight.
	Waiting int
	// Buffered is how many messages are prefetched. BufferedBytes is the memory of the prefetched
	// messages and of those in flight: as they were read, and that of decompressed payloads.
	Buffered      int
	BufferedBytes int64
	// Lag is the number of offsets between the acknowledged prefixes of the assigned partitions and
	// the ends of their logs, as far as known.
	Lag uint64
	// OldestAge is how long the oldest unacknowledged message has been in flight.
	OldestAge time.Duration
	// Unavailable is why the handler can't work for any partition; nil when it can. See
	// ForAllPartitions.
	Unavailable error
	// Problem is what is wrong with the membership or the partitions now; nil when nothing is.
	// It matches iggyerr.ErrNotFound when the topic or the group is missing.
	Problem error
	// LastError is the latest error, and LastErrorAt its time. They stay after the fault is over.
	LastError   error
	LastErrorAt time.Time
}

// PartitionStatus is the state of one assigned partition.
type PartitionStatus struct {
	ID uint32
	// Position is the next offset to fetch, Committed the committed offset, if any, and End the
	// offset after the log's last message, as far as known.
	Position     uint64
	Committed    uint64
	HasCommitted bool
	End          uint64
	// Lag is the number of offsets between the acknowledged prefix and the end of the log.
	Lag      uint64
	InFlight int
	// Waiting is how many messages wait for their redelivery, and WaitingFull tells that they are so
	// many that the partition delivers no other messages.
	Waiting     int
	WaitingFull bool
	// Leaving tells that the partition is being handed over, and Paused that Pause was called.
	Leaving, Paused bool
	// Blocked says what the partition waits for, and why: a dead letter or a parked message that can't
	// be written; nil when there is none.
	Blocked error
	// Stopped is why nothing is fetched any more; nil when something is.
	Stopped error
	// PollError is why the server refuses polls, and CommitError why the last commit failed; nil when
	// there is no such fault now.
	PollError, CommitError error
	// Unavailable is why the handler can't work for the partition; nil when it can. See Unavailable.
	Unavailable error
	// OldestAge is how long its oldest unacknowledged message has been in flight.
	OldestAge time.Duration
}

// Status returns the present state of the consumer.
func (c *Consumer[T]) Status() Status { return c.e.status() }

// Check returns nil when the consumer works: it is connected and joined, its handler is available, and
// lag and age are within max_lag and max_age. No partition is stopped, refused by the server, full of
// messages that wait for redelivery, or waiting for the dead letters, nor is a partition of its parked
// messages. A consumer without partitions, since other members have them all, works, too; so does one
// from which nobody consumes, as long as it is connected. The error names each fault.
func (c *Consumer[T]) Check(context.Context) error {
	s := c.Status()
	if c.life.State() >= startstop.StateStopping {
		return fmt.Errorf("iggy: consumer %s: %w", s.Name, iggyerr.ErrClosed)
	}
	var errs []error
	if !s.Connected {
		err := iggyerr.ErrNotConnected
		if last := c.e.link.Status().LastError; last != nil {
			err = fmt.Errorf("%w: %w", err, last)
		}
		errs = append(errs, err)
	} else {
		errs = append(errs, s.membershipError())
	}
	if s.Unavailable != nil {
		errs = append(errs, fmt.Errorf("the handler is unavailable: %w", s.Unavailable))
	}
	for _, p := range s.Partitions {
		errs = append(errs, p.errors("partition"))
	}
	if s.Parked != nil {
		if s.Connected {
			if err := s.Parked.membershipError(); err != nil {
				errs = append(errs, fmt.Errorf("parked messages: %w", err))
			}
		}
		for _, p := range s.Parked.Partitions {
			errs = append(errs, p.errors("parked partition"))
		}
	}
	if limit := c.e.cfg.MaxLag; limit > 0 && s.Lag > limit {
		errs = append(errs, fmt.Errorf("lag %d is over %d", s.Lag, limit))
	}
	if limit := c.e.cfg.MaxAge; limit > 0 && s.OldestAge > limit {
		errs = append(errs, fmt.Errorf("the oldest message is in flight for %s, over %s", s.OldestAge.Round(time.Millisecond), limit))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("iggy: consumer %s: %w", s.Name, err)
	}
	return nil
}

// membershipError returns what is wrong with the membership; nil when it is in order.
func (s *Status) membershipError() error {
	switch {
	case s.Problem != nil:
		return s.Problem
	case !s.Consuming || s.Joined:
		return nil
	case s.Standalone:
		return errors.New("the partitions are not known")
	default:
		return fmt.Errorf("not in the group %s", s.Group)
	}
}

// errors returns what is wrong with a partition, which is called by a name.
func (p *PartitionStatus) errors(name string) error {
	var errs []error
	if p.Unavailable != nil {
		errs = append(errs, fmt.Errorf("%s %d: the handler is unavailable: %w", name, p.ID, p.Unavailable))
	}
	if p.WaitingFull {
		errs = append(errs, fmt.Errorf("%s %d delivers no other messages: %d wait for redelivery", name, p.ID, p.Waiting))
	}
	if p.PollError != nil {
		errs = append(errs, fmt.Errorf("%s %d is not read: %w", name, p.ID, p.PollError))
	}
	if p.CommitError != nil {
		errs = append(errs, fmt.Errorf("%s %d: commits fail: %w", name, p.ID, p.CommitError))
	}
	if p.Stopped != nil {
		errs = append(errs, p.Stopped)
	}
	if p.Blocked != nil {
		errs = append(errs, fmt.Errorf("%s %d %w", name, p.ID, p.Blocked))
	}
	return errors.Join(errs...)
}

func (e *engine) status() Status {
	used := e.pool.Usage()
	s := e.ownStatus()
	s.InFlight += used.Orphaned
	s.BufferedBytes = int64(e.prefetched.Used() + used.DecompressedBytes)
	waiting := len(s.Partitions) // for the handler
	if e.parking != nil {
		parked := e.parking.ownStatus()
		s.InFlight += parked.InFlight
		s.Waiting += parked.Waiting
		s.Buffered += parked.Buffered
		s.OldestAge = max(s.OldestAge, parked.OldestAge)
		if parked.LastErrorAt.After(s.LastErrorAt) {
			s.LastError, s.LastErrorAt = parked.LastError, parked.LastErrorAt
		}
		waiting += len(parked.Partitions)
		s.Parked = &parked
	}
	if waiting > 0 {
		s.Unavailable = e.pool.Unavailable()
	}
	return s
}

// ownStatus returns the status without what the engines share.
func (e *engine) ownStatus() Status {
	g := e.machine.Status()
	s := Status{
		Name: e.name, Stream: e.identity.Stream, Topic: e.identity.Topic, Group: e.group(), Standalone: !e.identity.Group,
		Consuming: e.started.Load(), Joined: g.Joined,
		Connected: e.link.Status().State == link.StateReady,
	}
	s.LastErrorAt, s.LastError = e.problems.last()
	if g.LastErrorAt.After(s.LastErrorAt) {
		s.LastError, s.LastErrorAt = g.LastError, g.LastErrorAt
	}
	s.Problem = g.Problem
	now := time.Now()
	for _, p := range e.assignments.list() {
		_, buffered, _ := p.queue.Buffered()
		q := p.status(now)
		s.Partitions = append(s.Partitions, q)
		s.Buffered += buffered
		s.InFlight += q.InFlight
		s.Waiting += q.Waiting
		s.Lag += q.Lag
		s.OldestAge = max(s.OldestAge, q.OldestAge)
	}
	return s
}
