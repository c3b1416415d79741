package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// errHandedOver is the cause with which the context of a partition ends that
// was given to another member with nothing left in hand.
var errHandedOver = fmt.Errorf("%w: handed over", ErrLost)

// errDealt is the cause with which the context of a partition ends that the
// server took.
var errReassigned = fmt.Errorf("%w: dealt to another member", ErrLost)

// errRemoved is the cause with which a standalone consumer's partition ends
// that the topic has no more.
var errRemoved = fmt.Errorf("%w: removed from the topic", ErrLost)

// errHandOverTime is the cause with which handlers end that outlast rebalance_timeout.
var errRebalanceTimeout = fmt.Errorf("%w: it was to be handed over, and the rebalance timeout passed", ErrLost)

// missing looks after an owned partition that is not in the turn: it is about
// to be taken, or taken already.
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
	// The server gives it away once what was polled is committed. While there
	// is nothing to commit yet, the first message must be handled, however long it waits.
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
	p.log.Info("partition is about to be taken, finishing", zap.Int("count", inFlight))
	m.e.wakeMembership()
	return nil
}

// handOvers gives away those partitions that are finished, and those whose time is over.
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
			// Nothing can be committed, so the server would not move it, and
			// nobody would read it.
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
			// Not acknowledged, so the next owner gets it again.
			p.cancel(errRebalanceTimeout)
		}
		if err := m.handOver(ctx, p); err != nil {
			return err
		}
		delete(m.revoking, id)
	}
	return nil
}

// handOver commits p's prefix and gives p to the member that it is meant for.
//
// The server moves a partition at the commit that covers the last offset polled
// from it (measured on Iggy 0.8.0). What was read ahead and not handled must
// not be committed; so the prefix is polled once more: then that is the last
// offset polled.
func (m *membership) handOver(ctx context.Context, p *partition) error {
	e := m.e
	err := e.commit(ctx, p)
	var moved *offsetMovedError
	if err != nil && !errors.As(err, &moved) {
		if e.findPartition(p.id) != p {
			return nil // it was taken already, and lost was called
		}
		return err
	}
	p.mu.Lock()
	prefix, settled := p.tracker.prefix()
	polled := p.polledEnd
	p.mu.Unlock()
	if moved != nil {
		prefix, settled = moved.current.Offset, moved.current.Stored // the next owner follows
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

// unread makes the server believe that prefix is the last offset polled.
func (m *membership) repollPrefix(ctx context.Context, id uint32, prefix uint64) error {
	return m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		_, err := c.Poll(ctx, transport.Poll{
			Consumer: m.e.identity, Partition: int64(id), Count: 1, MaxBytes: 1,
			Strategy: transport.Strategy{Kind: transport.FromOffset, Value: prefix},
		})
		return err
	})
}

// revoked ends an ownership that was given away.
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

// settle stops fetching, and waits until nothing of these partitions is in
// hand or ctx ends. What is finished is committed. It tells whether all was.
func (m *membership) drainAll(ctx context.Context) bool {
	defer m.e.wakeMembership() // what woke it may have been for the loop
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

// finished tells whether nothing is in hand.
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

// commitAll commits what every partition can, and tells whether all did. Where
// someone else moved the stored offset, there is nothing to commit.
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
