package consumer

import (
	"context"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// order is a Seek that waits for the membership's loop.
type seekRequest struct {
	partition uint32
	to        Position
	done      chan error // of capacity 1
}

// obey carries out the orders.
func (m *membership) applySeeks(ctx context.Context) error {
	m.e.mu.Lock()
	requests := m.e.seeks
	m.e.seeks = nil
	m.e.mu.Unlock()
	for _, req := range requests {
		req.done <- m.applySeek(ctx, req)
	}
	return nil
}

// move takes a partition up at another place. What was in hand of it is
// forgotten: the contexts of its handlers end, and late acknowledgements have no effect.
func (m *membership) applySeek(ctx context.Context, req seekRequest) error {
	e := m.e
	p := e.findPartition(req.partition)
	if p == nil {
		return fmt.Errorf("iggy: seek %s/%s/%d: %w", e.identity.Stream, e.identity.Topic, req.partition, iggyerr.ErrNotOwner)
	}
	select {
	case p.commitLock <- struct{}{}: // a commit of the old place must not come after the new one
		defer func() { <-p.commitLock }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ends, err := m.logEnds(ctx, []uint32{req.partition})
	if err != nil {
		return err
	}
	stored, err := m.storedOffset(ctx, req.partition)
	if err != nil {
		return err
	}
	p.lose(errSeek)
	e.removePartition(p)
	delete(m.revoking, req.partition) // it is looked at anew whether it is about to be taken
	at, ok := req.to.startPoint(ends[req.partition])
	p.history.hasNext, p.history.hasCommitted, p.history.logTruncated = false, false, false // it moves on purpose
	if !ok {
		at = e.chooseStart(req.partition, p.history, stored, ends[req.partition], false)
	}
	switch { // it outlives a reconnection
	case at.firstPoll == nil && at.position > 0:
		at.prefix, at.hasPrefix, at.storePrefix = at.position-1, true, true
	case at.firstPoll == nil:
		at.deleteStored = ok
	}
	at.resetDedup = true
	at.storedOffset, at.hasStored = stored.Offset, stored.Stored
	return m.assignPartition(ctx, req.partition, at)
}
