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

// balance evens what the server leaves uneven: a member that joins a group is
// given one partition and no more (measured on Iggy 0.8.0). A leave deals all partitions
// evenly, but takes them from members in the middle of their work. So one
// member gives notice by joining the notice group; the others see it, finish
// what they have in hand, commit, and join it, too. When all have, a passing
// member joins and leaves the main group, and everyone goes on.
//
// Who acts for all is not agreed upon but read from the server: it is the
// owner of partition 0 in the notice group. Whoever owns it and only waits for
// someone to act knows that there is nobody, and goes on.
type fairAssignment struct {
	unevenSince       time.Time // shares have been uneven since
	delay             time.Duration
	groupMissingSince time.Time // the notice group did not exist then
	// stale notices belong to a member that hangs: nobody waits for that many again
	// until ignored has passed.
	staleNotices int
	staleUntil   time.Time
}

func newFairAssignment() fairAssignment { return fairAssignment{} }

const (
	coordinationPoll         = 10 * time.Millisecond // between looks at the notices
	pollsPerCoordinatorCheck = 5                     // looks at the notices between looks who acts

	// In multiples of rebalance_after: between looks for a notice group that does
	// not exist, and for how long notices of a hanging member are ignored.
	missingGroupFactor = 10
	staleNoticeFactor  = 20
)

func (m *membership) coordinationGroup() transport.Group {
	g := m.group()
	g.Name = m.e.cfg.CoordinationGroup()
	return g
}

// even joins in when someone gave notice, and gives notice when shares have been uneven for too long.
func (m *membership) maintainFairAssignment(ctx context.Context, due bool) error {
	e, f := m.e, &m.fair
	if !e.grouped || !e.cfg.FairAssignment || time.Since(f.groupMissingSince) < missingGroupFactor*e.cfg.RebalanceAfter && !f.groupMissingSince.IsZero() {
		return nil
	}
	notices, err := m.groupSize(ctx, m.coordinationGroup())
	if errors.Is(err, iggyerr.ErrNotFound) {
		if f.groupMissingSince.IsZero() {
			e.log.Warn("shares are not evened: the notice group does not exist", zap.String("notice_group", m.coordinationGroup().Name))
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
		// Not all at once, though it would do no harm.
		f.delay = e.cfg.RebalanceAfter + rand.N(e.cfg.RebalanceAfter/4+time.Millisecond)
	}
	if time.Since(f.unevenSince) < f.delay || len(e.assignedPartitions()) != largest || len(m.revoking) > 0 {
		return nil
	}
	f.unevenSince = time.Time{}
	return m.rebalance(ctx)
}

// shares reads the group and tells whether the largest share is by two or more larger than the smallest.
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

// leads tells whether this member, which has joined the notice group, acts for all.
func (m *membership) isCoordinator(ctx context.Context) (bool, error) {
	who := m.e.identity
	who.Name = m.e.cfg.CoordinationGroup()
	return m.ownsPartitionAs(ctx, who, 0)
}

// redeal gives notice, waits for the others and has the partitions dealt again.
func (m *membership) rebalance(ctx context.Context) error {
	e := m.e
	if err := m.joinGroup(ctx, m.coordinationGroup()); err != nil {
		return err
	}
	coordinates, err := m.isCoordinator(ctx)
	if err != nil || !coordinates {
		if err == nil {
			// Someone else was first: what it does for itself it does for all.
			return m.joinRebalance(ctx, 1, true)
		}
		return errors.Join(err, m.leaveGroup(ctx, m.coordinationGroup()))
	}
	e.log.Info("shares are uneven, having the partitions dealt again")
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
	e.log.Info("partitions dealt again", zap.Duration("elapsed", time.Since(started)), zap.Int("count", len(e.assignedPartitions())), zap.Error(err))
	return err
}

// assembled waits until all but some of the group's members have given notice, or ctx ends.
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

// ready tells whether all but some of the group's members have given notice.
func (m *membership) noticesComplete(ctx context.Context, but int) (bool, error) {
	members, err := m.groupSize(ctx, m.group())
	if err != nil {
		return false, err
	}
	notices, err := m.groupSize(ctx, m.coordinationGroup())
	return err == nil && notices >= members-but, err
}

// yield finishes what is in hand, shows it by joining the notice group and
// waits until the one who acts for all is done: the notices fall below the most
// that were seen, only this member's is left, or nobody is ahead of it.
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
			e.log.Warn("a member gave notice and does nothing, going on", zap.Int("count", notices-own))
			break
		}
		if e.isDraining() || !m.sleep(ctx, coordinationPoll) {
			break
		}
	}
	return errors.Join(err, m.endRebalance(ctx, joined))
}

// goOn takes back the notice, learns what is owned now and lets it run.
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

// sleep waits; false when ctx ended first.
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
