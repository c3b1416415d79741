package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// nowhere is an offset beyond every log. A poll there with no partition
// id brings nothing but names an owned partition, the next one in turn; storing it
// is refused with one status for an owned partition and another for any
// other. Both measured on Iggy 0.8.0.
const offsetBeyondEnd = 1 << 62

// maxPartitions is how many partitions a topic may have.
const maxPartitions = 1000

// survey learns again when something changed: a new member, without which
// nothing is taken, or other shares. Once in a while, and where the
// group can't be read, it does so all the same.
func (m *membership) checkAssignment(ctx context.Context) error {
	if !m.e.grouped {
		return m.learnAssignment(ctx)
	}
	members, err := m.groupMembers(ctx, m.group())
	var status *iggyerr.StatusError
	if err != nil && (!errors.As(err, &status) || m.e.isMembershipGone(err)) {
		return err
	}
	same := err == nil && len(m.revoking) == 0 && len(m.e.assignedPartitions()) == m.lastAssigned &&
		slices.EqualFunc(members.Partitions, m.lastMembers.Partitions, slices.Equal) && m.matchesMember(members)
	if m.lastMembers = members; same && m.skippedChecks < maxSkippedChecks {
		m.skippedChecks++
		return nil
	}
	m.skippedChecks = 0
	return m.learnAssignment(ctx)
}

// isOne tells whether one of the members has exactly what is owned here. If none
// has, a turn that jumped has hidden some.
func (m *membership) matchesMember(members transport.Members) bool {
	owned := partitionIDs(m.e.assignedPartitions())
	return slices.ContainsFunc(members.Partitions, func(ids []uint32) bool {
		return slices.Equal(slices.Sorted(slices.Values(ids)), owned)
	})
}

// maxSkipped is how many surveys in a row may find nothing changed before the
// partitions are learned all the same.
const maxSkippedChecks = 10

// learn finds out which partitions are owned now, and takes up and gives up accordingly.
func (m *membership) learnAssignment(ctx context.Context) error {
	turn, err := m.assignedIDs(ctx)
	if err != nil {
		return err
	}
	for _, p := range m.e.assignedPartitions() {
		if slices.Contains(turn, p.id) {
			m.keepPartition(p)
			continue
		}
		if err := m.handleMissing(ctx, p); err != nil {
			return err
		}
	}
	var gained []uint32
	for _, id := range turn {
		if m.e.findPartition(id) == nil {
			gained = append(gained, id)
		}
	}
	if err := m.assignPartitions(ctx, gained); err != nil {
		return err
	}
	m.lastAssigned = len(m.e.assignedPartitions())
	return nil
}

// present gives the owned partitions.
func (e *engine) assignedPartitions() []*partition {
	owned, _ := e.roundRobin()
	return owned
}

// turn is the ids of the partitions that the server gives this consumer in
// turn. Those about to be taken from it are missing.
func (m *membership) assignedIDs(ctx context.Context) ([]uint32, error) {
	if !m.e.grouped {
		return m.standalonePartitions(ctx)
	}
	turn, err := m.pollAssignedIDs(ctx)
	if err != nil {
		return nil, err
	}
	if i := slices.Index(turn, 0); i >= 0 {
		// An owner of nothing is answered like one of an empty partition 0.
		owned, err := m.ownsPartition(ctx, 0)
		if err != nil {
			return nil, err
		}
		if !owned {
			turn = slices.Delete(turn, i, i+1)
		}
	}
	slices.Sort(turn)
	return turn, nil
}

// round asks until the partitions come round again. The server keeps the turn
// twice and changes over with every change of any of its metadata, so the turn
// may jump: a partition counts as missing only when it did not come in two rounds and
// more (the jumps were seen on Iggy 0.8.0).
func (m *membership) pollAssignedIDs(ctx context.Context) (round []uint32, err error) {
	owned := m.e.assignedPartitions()
	for again := 0; again <= 2*(len(round)+1) && len(round) <= maxPartitions; {
		polled, err := m.pollBeyondEnd(ctx, transport.AnyPartition)
		if err != nil {
			return nil, err
		}
		i := slices.Index(round, polled.Partition)
		if i < 0 {
			round, again = append(round, polled.Partition), 0
			continue
		}
		again++
		if i == 0 && !slices.ContainsFunc(owned, func(p *partition) bool { return !slices.Contains(round, p.id) }) {
			break
		}
	}
	return round, nil
}

// peek polls beyond the end of the log.
func (m *membership) pollBeyondEnd(ctx context.Context, partition int64) (polled *transport.Polled, err error) {
	err = m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		polled, err = c.Poll(ctx, transport.Poll{
			Consumer: m.e.identity, Partition: partition, Count: 1,
			Strategy: transport.Strategy{Kind: transport.FromOffset, Value: offsetBeyondEnd},
		})
		return err
	})
	return polled, err
}

// owns tells whether the partition is dealt to this member, about to be taken
// or not.
func (m *membership) ownsPartition(ctx context.Context, id uint32) (bool, error) {
	return m.ownsPartitionAs(ctx, m.e.identity, id)
}

func (m *membership) ownsPartitionAs(ctx context.Context, who transport.Consumer, id uint32) (bool, error) {
	err := m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		return c.StoreOffset(ctx, who, id, offsetBeyondEnd)
	})
	var status *iggyerr.StatusError
	switch {
	case errors.As(err, &status) && status.Status == iggyerr.StatusInvalidOffset:
		return true, nil
	case isNotOwner(err):
		return false, nil
	}
	return false, err
}

// keep looks after a partition that is in the turn: one that was to be taken
// is not any more.
func (m *membership) keepPartition(p *partition) {
	if _, ok := m.revoking[p.id]; !ok {
		return
	}
	delete(m.revoking, p.id)
	if p.ctx.Err() != nil {
		// Its time was over, and it could not be handed over. No handler can work under
		// an ended context, so it is taken up anew.
		m.e.losePartition(p, context.Cause(p.ctx))
		return
	}
	p.mu.Lock()
	p.resume()
	p.mu.Unlock()
	p.log.Info("partition stays after all")
}

// gain takes up partitions that are new in the turn.
func (m *membership) assignPartitions(ctx context.Context, ids []uint32) error {
	if len(ids) == 0 {
		return nil
	}
	ends, err := m.logEnds(ctx, ids)
	if err != nil {
		return err
	}
	var taken []*partition
	fail := func(err error) error {
		for _, p := range taken {
			p.cancel(err)
		}
		return err
	}
	for _, id := range ids {
		if _, known := ends[id]; !known {
			continue // without its end, it would be taken for one that lost everything
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
		taken = append(taken, p)
	}
	// All at once: the first one would take the others' part of the bounds.
	m.e.addPartitions(taken...)
	m.e.hooks.post(hookAssigned, partitionIDs(taken)...)
	return nil
}

func partitionIDs(partitions []*partition) (ids []uint32) {
	for _, p := range partitions {
		ids = append(ids, p.id)
	}
	return ids
}

// takeUp begins an ownership in place of one that ended.
func (m *membership) assignPartition(ctx context.Context, id uint32, at startPoint) error {
	p, err := m.newPartition(ctx, id, at)
	if err == nil {
		m.e.addPartitions(p)
	}
	return err
}

// ownership makes a new ownership of a partition, begun at a place.
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

// offset reads what is stored for a partition.
func (m *membership) storedOffset(ctx context.Context, id uint32) (transport.Offset, error) {
	return m.e.storedOffset(ctx, m.session, id)
}

// ends reads where the logs of partitions end: from the topic, which may lack some, and where that
// is not permitted from each partition.
func (m *membership) logEnds(ctx context.Context, ids []uint32) (map[uint32]uint64, error) {
	ends := make(map[uint32]uint64, len(ids))
	meta, err := m.topicMetadata(ctx)
	var status *iggyerr.StatusError
	switch {
	case err == nil:
		for _, id := range ids {
			if end, ok := partitionEnd(meta, id); ok {
				ends[id] = end
			}
		}
		return ends, nil
	case !errors.As(err, &status):
		return nil, err
	}
	for _, id := range ids {
		polled, err := m.pollBeyondEnd(ctx, int64(id))
		if err != nil {
			return nil, err
		}
		if polled.Partition != id && m.e.grouped {
			return nil, fmt.Errorf("iggy: %s/%s/%d: %w: asked for its end", m.e.identity.Stream, m.e.identity.Topic, id, errMaybeNotOwner)
		}
		ends[id] = polled.CurrentOffset + 1
		if polled.CurrentOffset == 0 {
			// Empty, or of one message.
			if ends[id], err = m.countFirstMessage(ctx, id); err != nil {
				return nil, err
			}
		}
	}
	return ends, nil
}

// count is 1 when there is a message at the start of a log, else 0.
func (m *membership) countFirstMessage(ctx context.Context, id uint32) (n uint64, err error) {
	err = m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		polled, err := c.Poll(ctx, transport.Poll{
			Consumer: m.e.identity, Partition: int64(id), Count: 1, MaxBytes: 1,
			Strategy: transport.Strategy{Kind: transport.FromOffset},
		})
		if err == nil {
			n = uint64(len(polled.Messages))
		}
		return err
	})
	if err == nil && n == 0 && id == 0 && m.e.grouped {
		// An owner of nothing is answered like this, too.
		if owned, err := m.ownsPartition(ctx, id); err != nil || !owned {
			return 0, errors.Join(err, errMaybeNotOwner)
		}
	}
	return n, err
}

// topic reads the topic's metadata.
func (m *membership) topicMetadata(ctx context.Context) (meta transport.Topic, err error) {
	err = m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		meta, err = c.Topic(ctx, m.e.identity.Stream, m.e.identity.Topic)
		return err
	})
	return meta, err
}

// counted counts a change of the assignment.
func (e *engine) countRebalance() {
	e.mu.Lock()
	e.rebalances++
	e.mu.Unlock()
}
