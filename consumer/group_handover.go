package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// errHandedOver is the cause with which the context of a partition ends that was handed over with
// nothing left in flight.
var errHandedOver = fmt.Errorf("%w: handed over", ErrLost)

// errReassigned is the cause with which the context of a partition ends that the server assigned to
// another member.
var errReassigned = fmt.Errorf("%w: assigned to another member", ErrLost)

// errRemoved is the cause with which the context of a standalone consumer's partition ends that the
// topic no longer has.
var errRemoved = fmt.Errorf("%w: removed from the topic", ErrLost)

// errRebalanceTimeout is the cause with which handlers end that are still running after
// rebalance_timeout.
var errRebalanceTimeout = fmt.Errorf("%w: not finished within the rebalance timeout", ErrLost)

// handleMissing handles an assigned partition that the server does not name any more: it is about
// to be reassigned, or is reassigned already.
func (m *membership) handleMissing(ctx context.Context, p *partition) error {
	if !m.e.grouped {
		m.e.losePartition(p, errRemoved)
		return nil
	}
	owned, err := m.stillOwned(ctx, p)
	if err != nil || !owned {
		return err
	}
	if _, ok := m.revoking[p.id]; ok {
		return nil
	}
	p.mu.Lock()
	_, settled := p.tracker.prefix()
	// The server reassigns it once what was polled is committed. While there is nothing to commit, the
	// first message must be handled first, however long it waits.
	keepsReading := !settled && (p.deliveredEnd == 0 && (p.buffered > 0 || p.tracker.pending() > 0) || p.onlyBackingOff())
	inFlight := p.inFlight()
	if !keepsReading {
		p.drain()
	}
	p.mu.Unlock()
	if keepsReading {
		return nil
	}
	m.revoking[p.id] = time.Now().Add(m.e.cfg.RebalanceTimeout)
	p.log.Info("partition is about to be reassigned, draining", zap.Int("count", inFlight))
	m.e.wakeMembership()
	return nil
}

// handOverDrained hands over the partitions that are drained or whose time is over.
func (m *membership) handOverDrained(ctx context.Context) error {
	for id, deadline := range m.revoking {
		p := m.e.findPartition(id)
		if p == nil {
			delete(m.revoking, id)
			continue
		}
		p.mu.Lock()
		empty := p.isDrained()
		if _, settled := p.tracker.prefix(); p.quiesced && !settled && m.e.storesOffsets {
			// Nothing can be committed, so the server would not reassign it, and nobody would read it.
			p.resume()
			delete(m.revoking, id)
			p.mu.Unlock()
			continue
		}
		p.mu.Unlock()
		if !empty && time.Now().Before(deadline) {
			continue
		}
		if !empty {
			// What is not acknowledged is delivered again to the next owner.
			p.cancel(errRebalanceTimeout)
		}
		if err := m.handOver(ctx, p); err != nil {
			return err
		}
		delete(m.revoking, id)
	}
	return nil
}

// handOver commits p's prefix and hands p over to the member for which it is meant.
//
// The server reassigns a partition at the commit of the last offset that was polled from it
// (measured on Iggy 0.8.0). What was prefetched and not handled must not be committed. So the end
// of the prefix is polled once more: then that is the last offset polled.
func (m *membership) handOver(ctx context.Context, p *partition) error {
	e := m.e
	err := e.commit(ctx, p)
	var moved *offsetMovedError
	if err != nil && !errors.As(err, &moved) {
		if e.findPartition(p.id) != p {
			return nil // it is lost already
		}
		return err
	}
	p.mu.Lock()
	prefix, settled := p.tracker.prefix()
	polled := p.polledEnd
	p.mu.Unlock()
	if moved != nil {
		prefix, settled = moved.current.Offset, moved.current.Stored // the next owner starts there
	}
	if settled && e.storesOffsets {
		if polled > prefix+1 {
			if err := m.repollPrefix(ctx, p.id, prefix); err != nil {
				return err
			}
		}
		if err := e.storeOffset(ctx, p, prefix); err != nil && !isNotOwner(err) {
			return err
		}
	}
	m.revokePartition(p, errHandedOver)
	return nil
}

// repollPrefix makes prefix the last offset polled.
func (m *membership) repollPrefix(ctx context.Context, id uint32, prefix uint64) error {
	return m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		_, err := c.Poll(ctx, transport.Poll{
			Consumer: m.e.identity, Partition: int64(id), Count: 1, MaxBytes: 1,
			Strategy: transport.Strategy{Kind: transport.FromOffset, Value: prefix},
		})
		return err
	})
}

// revokePartition ends an assignment that was handed over.
func (m *membership) revokePartition(p *partition, cause error) {
	unfinished, first := p.lose(cause)
	m.e.removePartition(p)
	if !first {
		return
	}
	m.e.countRebalance()
	p.log.Info("partition revoked", zap.Int("count", unfinished))
	if unfinished > 0 {
		m.e.hooks.post(hookLost, p.id)
		return
	}
	m.e.hooks.post(hookRevoked, p.id)
}

// drainAll drains all assigned partitions, waits until they are drained or ctx ends, and commits.
// It reports whether all were drained and committed.
func (m *membership) drainAll(ctx context.Context) bool {
	defer m.e.wakeMembership() // the wake-ups consumed here may have been meant for the loop
	for _, p := range m.e.assignedPartitions() {
		p.mu.Lock()
		p.drain()
		p.mu.Unlock()
	}
	for !m.allDrained() {
		select {
		case <-m.e.wakeup:
		case <-ctx.Done():
			return false
		}
	}
	return m.commitAll(ctx)
}

// allDrained reports whether all assigned partitions are drained.
func (m *membership) allDrained() bool {
	for _, p := range m.e.assignedPartitions() {
		p.mu.Lock()
		empty := p.isDrained()
		p.mu.Unlock()
		if !empty {
			return false
		}
	}
	return true
}

// commitAll commits what every partition can commit, and reports whether all did. Where someone
// else moved the stored offset, there is nothing to commit.
func (m *membership) commitAll(ctx context.Context) bool {
	all := true
	for _, p := range m.e.assignedPartitions() {
		var moved *offsetMovedError
		if err := m.e.commit(ctx, p); err != nil && !errors.Is(err, ErrLost) && !errors.As(err, &moved) {
			all = false
		}
	}
	return all
}
