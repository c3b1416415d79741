package consumer

import (
	"context"
	"fmt"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/internal/startstop"
)

// Seek moves an assigned partition to another position. Its messages in flight are given up: the
// contexts of their handlers end with ErrLost, later acknowledgements have no effect, and
// unacknowledged messages are delivered again only if they are at or behind the new position. Seek
// stores the position at once, so it also counts for the next owner of the partition. Two positions
// are not stored: a Time, and the first message if start_from is not first. They are forgotten when
// the partition is lost before a message from there is committed.
//
// Seek returns iggyerr.ErrNotOwner for a partition that is not assigned to this consumer, and
// iggyerr.ErrClosed after Drain or Stop. When ctx ends first, the partition stays where it is
// unless it is being moved already.
func (c *Consumer[T]) Seek(ctx context.Context, partition uint32, to Position) error {
	if err := argument.Context(ctx); err != nil {
		return err
	}
	if c.life.State() != startstop.StateStarted || !c.e.started.Load() {
		return fmt.Errorf("iggy: seek partition %d: %w", partition, iggyerr.ErrNotOwner)
	}
	return c.e.seek(ctx, partition, to)
}

// seek has the membership's loop move a partition.
func (e *engine) seek(ctx context.Context, id uint32, to Position) error {
	req := seekRequest{partition: id, to: to, done: make(chan error, 1)}
	e.mu.Lock()
	e.seeks = append(e.seeks, req)
	e.mu.Unlock()
	e.wakeMembership()
	var err error
	select {
	case err := <-req.done:
		return err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-e.membershipDone:
		err = iggyerr.ErrClosed
	}
	// The caller has given up, so the partition must not move later.
	e.mu.Lock()
	e.seeks = slices.DeleteFunc(e.seeks, func(other seekRequest) bool { return other.done == req.done })
	e.mu.Unlock()
	return err
}
