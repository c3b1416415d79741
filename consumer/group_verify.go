package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// requestVerify has p verified before its next poll.
func (e *engine) requestVerify(p *partition) {
	p.mu.Lock()
	p.needsVerify = true
	p.mu.Unlock()
	e.wakeMembership()
}

// verifySuspect asks whether p is still assigned, and then verifies it.
func (m *membership) verifySuspect(ctx context.Context, p *partition) error {
	if owned, err := m.stillOwned(ctx, p); err != nil || !owned {
		return err
	}
	return m.verifyPartitions(ctx, p)
}

// verifyPartitions compares the stored offsets and the ends of the logs with the expected ones. A
// partition where they differ gets a new assignment.
func (m *membership) verifyPartitions(ctx context.Context, assigned ...*partition) error {
	type place struct {
		p       *partition
		reached uint64
		due     bool // read its stored offset
	}
	var places []place
	var ids []uint32
	for _, p := range assigned {
		p.mu.Lock()
		at := place{p, p.position, p.needsVerify || time.Since(p.verifiedAt) >= m.e.verifyInterval(len(assigned))}
		if p.firstPoll != nil {
			at.reached = 0
		}
		watched := p.phase == phaseActive && !p.mayHaveMore && p.stopErr == nil // watchLogEnds compares its end
		p.mu.Unlock()
		if at.due || !watched {
			places, ids = append(places, at), append(ids, p.id)
		}
	}
	if len(places) == 0 {
		return nil
	}
	// Read after the positions: a log that is not truncated only grows.
	ends, err := m.logEnds(ctx, ids)
	if err != nil {
		return err
	}
	for _, at := range places {
		end := ends[at.p.id]
		if !at.due && end >= at.reached {
			at.p.mu.Lock()
			at.p.raiseLogEnd(end)
			at.p.mu.Unlock()
			continue
		}
		if err := m.verifyPartition(ctx, at.p, at.reached, end); err != nil {
			return err
		}
	}
	m.e.wakePollers()
	return nil
}

// verifyInterval is how often the stored offset of one of n partitions is read while nothing is
// committed: one partition in each probe interval.
func (e *engine) verifyInterval(n int) time.Duration { return time.Duration(n) * e.cfg.ProbeInterval }

// verifyPartition verifies one partition that had reached an offset.
func (m *membership) verifyPartition(ctx context.Context, p *partition, reached, end uint64) error {
	e := m.e
	select {
	case p.commitLock <- struct{}{}: // no commit of this consumer in between
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.commitLock }()
	now, err := m.storedOffset(ctx, p.id)
	if err != nil {
		return err
	}
	p.mu.Lock()
	stored := p.storedOffset
	moved := e.storesOffsets && !e.ackOnPoll && p.storedOffsetMoved(now)
	cut := end < reached
	active := p.phase == phaseActive
	if active && !moved && !cut {
		p.verifiedAt = time.Now()
		p.raiseLogEnd(end)
		if p.needsVerify {
			p.needsVerify = false
			p.logEnd, p.mayHaveMore = max(end, p.position), p.firstPoll != nil || end > p.position
		}
	}
	p.mu.Unlock()
	if !active {
		return nil
	}
	if !moved && !cut {
		e.wakePollers()
		return nil
	}
	// It may be the next owner who moved it.
	if owned, err := m.stillOwned(ctx, p); err != nil || !owned {
		return err
	}
	if moved && now.Stored && now.Offset > stored {
		p.log.Warn("stored offset moved ahead by someone else, following", zap.Uint64("offset", now.Offset))
	}
	e.losePartition(p, fmt.Errorf("%w: assigned again at another offset", ErrLost))
	trusted, err := m.logUnchanged(ctx, p.id, p.history, end)
	if err != nil {
		return err
	}
	at := e.chooseStart(p.id, p.history, now, end, trusted)
	if cut && !at.offsetReset {
		// The log was truncated behind the acknowledged prefix. New messages follow the prefix.
		at = e.applyOnReset(p.id, p.history, at, fmt.Sprintf("offset %d was reached and the log ends before %d", reached, end))
	}
	at.storedOffset, at.hasStored = now.Offset, now.Stored
	if err := m.assignPartition(ctx, p.id, at); err != nil {
		return err
	}
	e.hooks.post(hookAssigned, p.id)
	return nil
}

// logUnchanged reports whether the message before the remembered position is still the one that was
// acknowledged: after a server lost the end of a log, other messages may have got its offsets. It
// returns an error when the partition does not seem to be assigned to this member any more: then
// nothing can be compared.
func (m *membership) logUnchanged(ctx context.Context, id uint32, h *history, end uint64) (bool, error) {
	switch {
	case !h.hasNext || h.next > end:
		return false, nil
	case h.timestamp == 0:
		return true, nil // nothing was acknowledged that could be compared
	}
	e, same := m.e, false
	err := m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		polled, err := c.Poll(ctx, transport.Poll{
			Consumer: m.e.identity, Partition: int64(id), Count: 1, MaxBytes: 1,
			Strategy: transport.Strategy{Kind: transport.FromOffset, Value: h.next - 1},
		})
		if isUnreadable(err) {
			polled, err = e.readByTimestamp(ctx, c, id, h, h.next-1)
		}
		switch {
		case isUnreadable(err): // it can't be compared either
			return nil
		case err != nil:
			return err
		case len(polled.Messages) > 0:
			first := polled.Messages[0]
			same = first.Offset == h.next-1 && first.Timestamp == h.timestamp
		case e.grouped && isMaybeNotOwner(polled, id):
			return fmt.Errorf("iggy: %s/%s/%d: %w: asked for offset %d", e.identity.Stream, e.identity.Topic, id, errMaybeNotOwner, h.next-1)
		}
		return nil
	})
	return same, err
}

// errMaybeNotOwner says that a member may have asked for a partition that is not assigned to it.
var errMaybeNotOwner = errors.New("answered as if it belonged to another member")

// isMaybeNotOwner reports whether an answer without messages may be the one for a partition that is
// not assigned to this member (measured on Iggy 0.8.0): that of an empty partition 0.
func isMaybeNotOwner(polled *transport.Polled, id uint32) bool {
	return polled.Partition != id || id == 0 && polled.CurrentOffset == 0
}

// deleteStoredOffset deletes the stored offset where a partition starts at its first message: no
// other offset stands for that. The reason is a Seek, which is to outlive the connection, or an
// empty log. A server that was killed restores a lost offset as 0, and the log without its messages
// (measured on Iggy 0.8.0): a process that starts when there is a new message at 0, before another
// offset is stored, would take that message for handled. Where a group without an offset does not
// start at the first message, it would skip more than that.
func (m *membership) deleteStoredOffset(ctx context.Context, id uint32, at *startPoint) error {
	e := m.e
	if !e.storesOffsets || !at.hasStored || at.logEnd > 0 && !at.deleteStored || at.stopErr != nil || e.cfg.StartFrom != config.StartFirst {
		return nil
	}
	err := m.do(ctx, func(ctx context.Context, c transport.Conn) error { return c.DeleteOffset(ctx, e.identity, id) })
	var status *iggyerr.StatusError
	switch {
	case err == nil || errors.As(err, &status) && status.Status == iggyerr.StatusOffsetNotStored:
		at.hasStored = false
		e.log.Info("stored offset deleted, reading from the start of the partition", zap.Uint32("partition", id), zap.Uint64("offset", at.storedOffset))
	case status == nil:
		return err
	default: // it stays
		e.log.Warn("reading from the start of the partition, stored offset not deleted", zap.Uint32("partition", id), zap.Error(err))
	}
	return nil
}
