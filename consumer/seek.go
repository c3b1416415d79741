package consumer

import (
	"context"
	"errors"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fetch"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/internal/startstop"
)

// Seek moves an assigned partition to another position. Its messages in flight become orphaned
// deliveries: the contexts of their handlers end with ErrLost, acknowledgements have no effect, and
// unacknowledged messages are delivered again only if they are at or after the new position. Seek
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

// seek has the group move a partition.
func (e *engine) seek(ctx context.Context, id uint32, to Position) error {
	err := e.machine.Seek(ctx, id, func(ctx context.Context, s group.Session, c group.Claim) error {
		return e.assignments.seek(ctx, s, c, to)
	})
	if errors.Is(err, iggyerr.ErrNotOwner) {
		return fmt.Errorf("iggy: seek %s: %w", e.object(id), iggyerr.ErrNotOwner)
	}
	return err
}

// seek moves one partition. The group makes no other request for it meanwhile.
func (a *assignments) seek(ctx context.Context, s group.Session, c group.Claim, to Position) error {
	p := a.find(c.Partition)
	if p == nil {
		return iggyerr.ErrNotOwner
	}
	release, err := p.history.commits.Acquire(ctx) // a commit of the old place must not come after the new one
	if err != nil {
		return err
	}
	defer release()
	ends, err := a.log.Ends(ctx, s, []uint32{c.Partition})
	if err != nil {
		return err
	}
	end := ends[c.Partition]
	next := a.newPreparation(s, c)
	stored, err := next.store.Read(ctx)
	if err != nil {
		return err
	}
	a.end(c.Partition, errSeek, true)
	at, chosen := to.resolve(end)
	next.history.fetch.Update(func(r *fetch.Remembered) {
		r.HasNext, r.HasCommitted, r.Truncated = false, false, false // it is moved on purpose
		if !chosen {
			at = next.policy().Decide(r, fetch.Found{Stored: stored.Offset, HasStored: stored.Any, End: end})
		}
	})
	switch { // the position has to outlive a reconnection
	case !at.ByTime && at.Position > 0:
		at.Prefix, at.HasPrefix, at.StorePrefix = at.Position-1, true, true
	case !at.ByTime:
		at.DeleteStored = chosen
	}
	at.Replay = true
	return next.assign(ctx, at, stored)
}
