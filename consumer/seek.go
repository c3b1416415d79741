package consumer

import (
	"context"
	"fmt"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// Seek sets an owned partition to another place. What is in hand of it is
// forgotten: the contexts of its handlers end with ErrLost, late acknowledgements have no
// effect, and unacknowledged messages come again only where the new place is before
// them. The place is stored at once, and so counts for another owner, too; but for a Time, and for the
// start with a start_from other than first, which are forgotten when the partition is lost before a message from
// there is committed.
// A partition that is not owned is iggyerr.ErrNotOwner, and a consumer that was
// drained or stopped iggyerr.ErrClosed. When ctx ends first, the partition stays where it is
// unless it was being moved already.
func (c *Consumer[T]) Seek(ctx context.Context, partition uint32, to Position) error {
	c.mu.Lock()
	ok := c.state == stateStarted && c.e.started.Load()
	c.mu.Unlock()
	if !ok {
		return fmt.Errorf("iggy: seek partition %d: %w", partition, iggyerr.ErrNotOwner)
	}
	return c.e.seek(ctx, partition, to)
}

// seek has a partition taken up at another place.
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
	// Nobody waits for it any more, so it must not happen at some later time.
	e.mu.Lock()
	e.seeks = slices.DeleteFunc(e.seeks, func(other seekRequest) bool { return other.done == req.done })
	e.mu.Unlock()
	return err
}
