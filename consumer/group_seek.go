package consumer

import (
	"context"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// seekRequest is a Seek that waits for the membership's loop.
type seekRequest struct {
	partition uint32
	to        Position
	done      chan error // of capacity 1
}

// applySeeks carries out the waiting Seeks.
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

// applySeek starts an assignment of the partition at another position. Its messages in flight are
// given up: the contexts of their handlers end, and later acknowledgements have no effect.
func (m *membership) applySeek(ctx context.Context, req seekRequest) error {
	e := m.e
	p := e.findPartition(req.partition)
	if p == nil {
		return fmt.Errorf("iggy: seek %s/%s/%d: %w", e.identity.Stream, e.identity.Topic, req.partition, iggyerr.ErrNotOwner)
	}
	select {
	case p.commitLock <- struct{}{}: // a commit of the old position must not follow
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
	delete(m.revoking, req.partition) // the next step asks again whether it is about to be reassigned
	at, ok := req.to.startPoint(ends[req.partition])
	p.history.hasNext, p.history.hasCommitted, p.history.logTruncated = false, false, false // the offset is moved on purpose
	if !ok {
		at = e.chooseStart(req.partition, p.history, stored, ends[req.partition], false)
	}
	switch { // the position outlives a reconnection
	case at.firstPoll == nil && at.position > 0:
		at.prefix, at.hasPrefix, at.storePrefix = at.position-1, true, true
	case at.firstPoll == nil:
		at.deleteStored = ok
	}
	at.resetDedup = true
	at.storedOffset, at.hasStored = stored.Offset, stored.Stored
	return m.assignPartition(ctx, req.partition, at)
}
