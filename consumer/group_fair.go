package consumer

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// fairAssignment rebalances what the server leaves uneven: a member that joins a group is assigned one
// partition and no more (measured on Iggy 0.8.0). When a member leaves, the server assigns all
// partitions evenly, but reassigns partitions whose messages are in flight. So one member gives notice by
// joining the coordination group. The others see it, finish their messages in flight, commit, and join
// it, too. When all have joined, a transient member joins and leaves the main group, and all
// members continue.
//
// The coordinator of a rebalance is not elected but read from the server: it is the owner of
// partition 0 in the coordination group. A member that owns it and only waits for the coordinator
// knows that there is none, and continues.
type fairAssignment struct {
	unevenSince       time.Time // the assignment has been uneven since
	delay             time.Duration
	groupMissingSince time.Time // the coordination group did not exist then
	// staleNotices are notices of members that do nothing. Nobody waits for that many again before
	// staleUntil.
	staleNotices int
	staleUntil   time.Time
}

func newFairAssignment() fairAssignment { return fairAssignment{} }

const (
	coordinationPoll         = 10 * time.Millisecond // between two readings of the coordination group
	pollsPerCoordinatorCheck = 5                     // readings between two checks who is the coordinator

	// In multiples of rebalance_after: the time between two readings of a coordination group that does
	// not exist, and the time for which stale notices are ignored.
	missingGroupFactor = 10
	staleNoticeFactor  = 20
)

func (m *membership) coordinationGroup() transport.Group {
	g := m.group()
	g.Name = m.e.cfg.CoordinationGroup()
	return g
}

// maintainFairAssignment joins a rebalance when another member gave notice, and starts one when the
// assignment has been uneven for long enough.
func (m *membership) maintainFairAssignment(ctx context.Context, due bool) error {
	e, f := m.e, &m.fair
	if !e.grouped || !e.cfg.FairAssignment || time.Since(f.groupMissingSince) < missingGroupFactor*e.cfg.RebalanceAfter && !f.groupMissingSince.IsZero() {
		return nil
	}
	notices, err := m.groupSize(ctx, m.coordinationGroup())
	if errors.Is(err, iggyerr.ErrNotFound) {
		if f.groupMissingSince.IsZero() {
			e.log.Warn("coordination group does not exist, no fair assignment", zap.String("coordination_group", m.coordinationGroup().Name))
		}
		f.groupMissingSince = time.Now()
		return nil
	}
	if err != nil {
		return err
	}
	f.groupMissingSince = time.Time{}
	if notices > 0 && (notices > f.staleNotices || time.Now().After(f.staleUntil)) {
		return m.joinRebalance(ctx, notices, false)
	}
	if !due {
		return nil
	}
	largest, uneven := sharesOf(m.lastMembers)
	switch {
	case !uneven:
		f.unevenSince = time.Time{}
		return nil
	case f.unevenSince.IsZero():
		f.unevenSince = time.Now()
		// The jitter keeps members from starting at once, which would be harmless.
		f.delay = e.cfg.RebalanceAfter + rand.N(e.cfg.RebalanceAfter/4+time.Millisecond)
	}
	if time.Since(f.unevenSince) < f.delay || len(e.assignedPartitions()) != largest || len(m.revoking) > 0 {
		return nil
	}
	f.unevenSince = time.Time{}
	return m.rebalance(ctx)
}

// readShares reads the group. It returns the largest number of partitions of a member, and whether
// it exceeds the smallest one by two or more.
func (m *membership) readShares(ctx context.Context) (largest int, uneven bool, err error) {
	members, err := m.groupMembers(ctx, m.group())
	if err != nil {
		return 0, false, err
	}
	largest, uneven = sharesOf(members)
	return largest, uneven, nil
}

func sharesOf(members transport.Members) (largest int, uneven bool) {
	if len(members.Partitions) == 0 {
		return 0, false
	}
	smallest := len(members.Partitions[0])
	for _, owned := range members.Partitions {
		largest, smallest = max(largest, len(owned)), min(smallest, len(owned))
	}
	return largest, largest-smallest >= 2
}

// isCoordinator reports whether this member, which has joined the coordination group, is the
// coordinator.
func (m *membership) isCoordinator(ctx context.Context) (bool, error) {
	who := m.e.identity
	who.Name = m.e.cfg.CoordinationGroup()
	return m.ownsPartitionAs(ctx, who, 0)
}

// rebalance gives notice, waits for the other members and has the server assign the partitions
// again.
func (m *membership) rebalance(ctx context.Context) error {
	e := m.e
	if err := m.joinGroup(ctx, m.coordinationGroup()); err != nil {
		return err
	}
	coordinates, err := m.isCoordinator(ctx)
	if err != nil || !coordinates {
		if err == nil {
			// Another member was first, and rebalances for all.
			return m.joinRebalance(ctx, 1, true)
		}
		return errors.Join(err, m.leaveGroup(ctx, m.coordinationGroup()))
	}
	e.log.Info("assignment is uneven, rebalancing")
	started := time.Now()
	err = m.withTransientMember(ctx, func(transient *transientMember) error {
		grace, cancel := context.WithTimeout(ctx, e.cfg.RebalanceGrace)
		defer cancel()
		defer e.onDrain(cancel)()
		m.waitForNotices(grace, 1)
		m.drainAll(grace)
		m.waitForNotices(grace, 0)
		if _, uneven, err := m.readShares(ctx); err != nil || !uneven || e.isDraining() {
			return err
		}
		return transient.joinAndLeave(ctx, m.group())
	})
	err = errors.Join(err, m.endRebalance(ctx, true))
	e.log.Info("rebalanced", zap.Duration("elapsed", time.Since(started)), zap.Int("count", len(e.assignedPartitions())), zap.Error(err))
	return err
}

// waitForNotices waits until all of the group's members except for some have given notice, or ctx
// ends.
func (m *membership) waitForNotices(ctx context.Context, but int) {
	for {
		if ready, err := m.noticesComplete(ctx, but); err != nil || ready {
			return
		}
		if !m.sleep(ctx, coordinationPoll) {
			return
		}
	}
}

// noticesComplete reports whether all of the group's members except for some have given notice.
func (m *membership) noticesComplete(ctx context.Context, but int) (bool, error) {
	members, err := m.groupSize(ctx, m.group())
	if err != nil {
		return false, err
	}
	notices, err := m.groupSize(ctx, m.coordinationGroup())
	return err == nil && notices >= members-but, err
}

// joinRebalance drains, gives notice by joining the coordination group, and waits until the
// coordinator is done: the notices fall below the most that were seen, only this member's notice is
// left, or this member is the coordinator itself.
func (m *membership) joinRebalance(ctx context.Context, most int, joined bool) error {
	e := m.e
	for _, p := range e.assignedPartitions() {
		p.mu.Lock()
		p.drain()
		p.mu.Unlock()
	}
	limit := time.Now().Add(2*e.cfg.RebalanceGrace + time.Second)
	var err error
	settled := false
	for polls := 1; ; polls++ {
		if !settled && m.allDrained() {
			settled = m.commitAll(ctx)
		}
		if settled && !joined {
			if err = m.joinGroup(ctx, m.coordinationGroup()); err != nil {
				break
			}
			joined = true
		}
		var notices int
		if notices, err = m.groupSize(ctx, m.coordinationGroup()); err != nil {
			break
		}
		own := 0
		if joined {
			own = 1
		}
		if notices < most || notices <= own {
			break
		}
		most = notices
		if joined && polls%pollsPerCoordinatorCheck == 0 {
			if coordinates, coordinatorErr := m.isCoordinator(ctx); coordinatorErr != nil || coordinates {
				err = coordinatorErr
				break
			}
		}
		if time.Now().After(limit) {
			m.fair.staleNotices, m.fair.staleUntil = notices-own, time.Now().Add(staleNoticeFactor*e.cfg.RebalanceAfter)
			e.log.Warn("member gave notice and does nothing, continuing", zap.Int("count", notices-own))
			break
		}
		if e.isDraining() || !m.sleep(ctx, coordinationPoll) {
			break
		}
	}
	return errors.Join(err, m.endRebalance(ctx, joined))
}

// endRebalance withdraws the notice, learns the assignment and resumes the partitions.
func (m *membership) endRebalance(ctx context.Context, joined bool) (err error) {
	if joined {
		err = m.leaveGroup(ctx, m.coordinationGroup())
	}
	err = errors.Join(err, m.learnAssignment(ctx))
	for _, p := range m.e.assignedPartitions() {
		if _, ok := m.revoking[p.id]; ok {
			continue
		}
		p.mu.Lock()
		p.resume()
		p.mu.Unlock()
	}
	return err
}

// sleep waits for d. It returns false when ctx ends first.
func (m *membership) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
