package consumer

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// assignPartitions starts assignments of partitions.
func (m *membership) assignPartitions(ctx context.Context, ids []uint32) error {
	if len(ids) == 0 {
		return nil
	}
	ends, err := m.logEnds(ctx, ids)
	if err != nil {
		return err
	}
	var added []*partition
	fail := func(err error) error {
		for _, p := range added {
			p.cancel(err)
		}
		return err
	}
	for _, id := range ids {
		if _, known := ends[id]; !known {
			continue // without its end, its log would look truncated
		}
		stored, err := m.storedOffset(ctx, id)
		if err != nil {
			return fail(err)
		}
		h := m.e.history(id)
		trusted, err := m.logUnchanged(ctx, id, h, ends[id])
		if err != nil {
			return fail(err)
		}
		at, chosen := m.e.standalone.Start.startPoint(ends[id])
		if !chosen || h.hasNext {
			at = m.e.chooseStart(id, h, stored, ends[id], trusted)
		}
		at.storedOffset, at.hasStored = stored.Offset, stored.Stored
		p, err := m.newPartition(ctx, id, at)
		if err != nil {
			return fail(err)
		}
		added = append(added, p)
	}
	// All at once: the first one would take the others' parts of the quotas.
	m.e.addPartitions(added...)
	m.e.hooks.post(hookAssigned, partitionIDs(added)...)
	return nil
}

// assignPartition starts an assignment in place of one that ended.
func (m *membership) assignPartition(ctx context.Context, id uint32, at startPoint) error {
	p, err := m.newPartition(ctx, id, at)
	if err == nil {
		m.e.addPartitions(p)
	}
	return err
}

// newPartition returns a new assignment of a partition that starts at a position.
func (m *membership) newPartition(ctx context.Context, id uint32, at startPoint) (*partition, error) {
	e := m.e
	if err := m.deleteStoredOffset(ctx, id, &at); err != nil {
		return nil, err
	}
	p := &partition{
		e: e, id: id, session: m.session, history: e.history(id),
		log:        e.log.With(zap.Uint32("partition", id)),
		commitLock: make(chan struct{}, 1),
		commitDone: make(chan struct{}),
		firstPoll:  at.firstPoll, skip: at.skip, position: at.position, anyFirstOffset: at.anyFirstOffset, logEnd: at.logEnd,
		mayHaveMore: at.firstPoll != nil || at.logEnd > at.position,
		paused:      e.isPaused(id), verifiedAt: time.Now(),
		storedOffset: at.storedOffset, hasStored: at.hasStored, attemptedOffset: offsetBeyondEnd,
	}
	wake := func() { e.scheduler.schedule(p) }
	p.inFlightShare.wake, p.inFlightShare.orphaned = wake, &p.history.orphanedInFlight
	p.decompressedShare.wake = wake
	p.ctx, p.cancel = context.WithCancelCause(e.ctx)
	if at.hasPrefix {
		p.tracker.startAt(at.prefix)
	}
	if at.firstPoll == nil && !e.storesOffsets {
		p.history.next, p.history.hasNext, p.history.timestamp = at.position, true, 0
	}
	if at.resetDedup {
		p.history.dedup.reset()
	}
	if at.offsetReset {
		p.counters.offsetResets++
	}
	if at.hasStored && e.storesOffsets {
		p.history.committed, p.history.hasCommitted = at.storedOffset, true
	}
	if at.storePrefix && e.storesOffsets {
		if err := e.storeOffset(ctx, p, at.prefix); err != nil {
			p.cancel(err)
			return nil, err
		}
		p.storedOffset, p.hasStored = at.prefix, true
		p.history.committed, p.history.hasCommitted = at.prefix, true
	}
	if at.stopErr != nil {
		p.mu.Lock()
		p.stopFetching(at.stopErr)
		p.mu.Unlock()
		p.flushLogs()
	}
	e.countRebalance()
	p.log.Info("partition assigned", zap.Uint64("offset", at.position), zap.Uint64("end", at.logEnd))
	return p, nil
}

// keepPartition handles a partition that is assigned still: a handover that was begun is called
// off.
func (m *membership) keepPartition(p *partition) {
	if _, ok := m.revoking[p.id]; !ok {
		return
	}
	delete(m.revoking, p.id)
	if p.ctx.Err() != nil {
		// Its rebalance timeout passed, and it could not be handed over. No handler can work with an
		// ended context, so a new assignment follows.
		m.e.losePartition(p, context.Cause(p.ctx))
		return
	}
	p.mu.Lock()
	p.resume()
	p.mu.Unlock()
	p.log.Info("handover called off, partition stays assigned")
}

func partitionIDs(partitions []*partition) (ids []uint32) {
	for _, p := range partitions {
		ids = append(ids, p.id)
	}
	return ids
}
