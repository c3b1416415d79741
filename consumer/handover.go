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

// errHandOverTime is the cause with which handlers end that outlast rebalance_timeout.
var errHandOverTime = fmt.Errorf("%w: it was to be handed over, and the rebalance timeout passed", ErrLost)

// missing looks after an owned partition that is not in the turn: it is about
// to be taken, or taken already.
func (m *membership) missing(ctx context.Context, p *partition) error {
	owned, err := m.owns(ctx, p.id)
	if err != nil {
		return err
	}
	if !owned {
		delete(m.revoking, p.id)
		m.e.lost(p, fmt.Errorf("%w: dealt to another member", ErrLost))
		return nil
	}
	if _, ok := m.revoking[p.id]; ok || !m.e.grouped {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, settled := p.tracker.prefix(); !settled && p.given == 0 && (p.buffered > 0 || p.tracker.open() > 0) {
		// The server gives it away once what was polled is committed, and
		// there is nothing to commit yet: the first record must be handled.
		return nil
	}
	m.revoking[p.id] = time.Now().Add(m.e.cfg.RebalanceTimeout)
	p.log.Info("partition is about to be taken, finishing", zap.Int("count", p.inHand()))
	p.drain()
	m.e.kick()
	return nil
}

// handOvers gives away those partitions that are finished, and those whose time is over.
func (m *membership) handOvers(ctx context.Context) error {
	for id, deadline := range m.revoking {
		p := m.e.find(id)
		if p == nil {
			delete(m.revoking, id)
			continue
		}
		p.mu.Lock()
		empty := p.empty()
		p.mu.Unlock()
		if !empty && time.Now().Before(deadline) {
			continue
		}
		if !empty {
			// Not acknowledged, so the next owner gets it again.
			p.cancel(errHandOverTime)
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
	if err := e.commit(ctx, p); err != nil {
		if e.find(p.id) != p {
			return nil // it was taken already, and lost was called
		}
		return err
	}
	p.mu.Lock()
	prefix, settled := p.tracker.prefix()
	polled := p.polled
	p.mu.Unlock()
	if settled && e.commits {
		if polled > prefix+1 {
			if err := m.unread(ctx, p.id, prefix); err != nil {
				return err
			}
		}
		if err := e.store(ctx, p, prefix); err != nil && !notOurs(err) {
			return err
		}
	}
	m.revoked(p, errHandedOver)
	return nil
}

// unread makes the server believe that prefix is the last offset polled.
func (m *membership) unread(ctx context.Context, id uint32, prefix uint64) error {
	return m.do(ctx, func(ctx context.Context, c transport.Conn) error {
		_, err := c.Poll(ctx, transport.Poll{
			Consumer: m.e.who, Partition: int64(id), Count: 1, MaxBytes: 1,
			Strategy: transport.Strategy{Kind: transport.FromOffset, Value: prefix},
		})
		return err
	})
}

// revoked ends an ownership that was given away.
func (m *membership) revoked(p *partition, cause error) {
	unfinished, first := p.lose(cause)
	m.e.drop(p)
	if !first {
		return
	}
	m.e.counted()
	p.log.Info("partition revoked", zap.Int("count", unfinished))
	if unfinished > 0 {
		m.e.hooks.post(hookLost, p.id)
		return
	}
	m.e.hooks.post(hookRevoked, p.id)
}

// settle stops fetching, and waits until nothing of these partitions is in
// hand or ctx ends. What is finished is committed. It tells whether all was.
func (m *membership) settle(ctx context.Context) bool {
	for _, p := range m.e.present() {
		p.mu.Lock()
		p.drain()
		p.mu.Unlock()
	}
	for !m.finished() {
		select {
		case <-m.e.kicked:
		case <-ctx.Done():
			return false
		}
	}
	return m.commitAll(ctx)
}

// finished tells whether nothing is in hand.
func (m *membership) finished() bool {
	for _, p := range m.e.present() {
		p.mu.Lock()
		empty := p.empty()
		p.mu.Unlock()
		if !empty {
			return false
		}
	}
	return true
}

// commitAll commits what every partition can, and tells whether all did.
func (m *membership) commitAll(ctx context.Context) bool {
	all := true
	for _, p := range m.e.present() {
		if err := m.e.commit(ctx, p); err != nil && !errors.Is(err, ErrLost) {
			all = false
		}
	}
	return all
}
