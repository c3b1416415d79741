package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// offsetBeyondEnd is an offset beyond every log. A poll there without a partition id brings no
// messages but names an assigned partition, the next one in turn. Storing it is refused with one
// status for an assigned partition and another for any other. Both measured on Iggy 0.8.0.
const offsetBeyondEnd = 1 << 62

// maxPartitions is how many partitions a topic may have.
const maxPartitions = 1000

// maxSkippedChecks is how many checks in a row may find nothing changed before the assignment is
// learned in any case.
const maxSkippedChecks = 10

// checkAssignment learns the assignment again when the group changed: a new member, without which
// no partition is reassigned, or other numbers of partitions. After maxSkippedChecks, and where the
// group can't be read, it learns the assignment in any case.
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

// matchesMember reports whether one of the members has exactly the partitions that are assigned
// here. If none has, learnAssignment missed some.
func (m *membership) matchesMember(members transport.Members) bool {
	owned := partitionIDs(m.e.assignedPartitions())
	return slices.ContainsFunc(members.Partitions, func(ids []uint32) bool {
		return slices.Equal(slices.Sorted(slices.Values(ids)), owned)
	})
}

// learnAssignment finds out which partitions are assigned now, and starts and ends assignments
// accordingly.
func (m *membership) learnAssignment(ctx context.Context) error {
	assigned, err := m.assignedIDs(ctx)
	if err != nil {
		return err
	}
	for _, p := range m.e.assignedPartitions() {
		if slices.Contains(assigned, p.id) {
			m.keepPartition(p)
			continue
		}
		if err := m.handleMissing(ctx, p); err != nil {
			return err
		}
	}
	var added []uint32
	for _, id := range assigned {
		if m.e.findPartition(id) == nil {
			added = append(added, id)
		}
	}
	if err := m.assignPartitions(ctx, added); err != nil {
		return err
	}
	m.lastAssigned = len(m.e.assignedPartitions())
	return nil
}

// assignedIDs returns the partitions that the server assigns to this consumer, without those that
// are about to be reassigned.
func (m *membership) assignedIDs(ctx context.Context) ([]uint32, error) {
	if !m.e.grouped {
		return m.standalonePartitions(ctx)
	}
	assigned, err := m.pollAssignedIDs(ctx)
	if err != nil {
		return nil, err
	}
	if i := slices.Index(assigned, 0); i >= 0 {
		// A member without partitions gets the same answer as the owner of an empty partition 0.
		owned, err := m.ownsPartition(ctx, 0)
		if err != nil {
			return nil, err
		}
		if !owned {
			assigned = slices.Delete(assigned, i, i+1)
		}
	}
	slices.Sort(assigned)
	return assigned, nil
}

// standalonePartitions returns the partitions that a standalone consumer reads.
func (m *membership) standalonePartitions(ctx context.Context) ([]uint32, error) {
	meta, err := m.topicMetadata(ctx)
	if err != nil {
		return nil, err
	}
	var ids []uint32
	for _, p := range meta.Partitions {
		if wanted := m.e.standalone.Partitions; len(wanted) == 0 || slices.Contains(wanted, p.ID) {
			ids = append(ids, p.ID)
		}
	}
	for _, id := range m.e.standalone.Partitions {
		if !slices.Contains(ids, id) {
			m.e.setLastError(fmt.Errorf("iggy: %s/%s/%d: %w", m.e.identity.Stream, m.e.identity.Topic, id, iggyerr.ErrNotFound))
		}
	}
	return ids, nil
}

// pollAssignedIDs polls until the server has named each assigned partition. The server keeps two
// counters for the next partition in turn and changes between them with every change of its
// metadata, so it may repeat or leave out a partition: one counts as missing only after two full
// rounds and more without it (seen on Iggy 0.8.0).
func (m *membership) pollAssignedIDs(ctx context.Context) (ids []uint32, err error) {
	assigned := m.e.assignedPartitions()
	for again := 0; again <= 2*(len(ids)+1) && len(ids) <= maxPartitions; {
		polled, err := m.pollBeyondEnd(ctx, transport.AnyPartition)
		if err != nil {
			return nil, err
		}
		i := slices.Index(ids, polled.Partition)
		if i < 0 {
			ids, again = append(ids, polled.Partition), 0
			continue
		}
		again++
		if i == 0 && !slices.ContainsFunc(assigned, func(p *partition) bool { return !slices.Contains(ids, p.id) }) {
			break
		}
	}
	return ids, nil
}

// pollBeyondEnd polls beyond the end of the log.
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

// ownsPartition reports whether the partition is assigned to this member, about to be reassigned or
// not.
func (m *membership) ownsPartition(ctx context.Context, id uint32) (bool, error) {
	return m.ownsPartitionAs(ctx, m.e.identity, id)
}

// ownsPartitionAs is ownsPartition for a member of any group.
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

// stillOwned asks the server whether p is assigned to this member; if it is not, p is lost. The
// partitions of a standalone consumer are always its own.
func (m *membership) stillOwned(ctx context.Context, p *partition) (bool, error) {
	if !m.e.grouped {
		return true, nil
	}
	owned, err := m.ownsPartition(ctx, p.id)
	if err == nil && !owned {
		delete(m.revoking, p.id)
		m.e.losePartition(p, errReassigned)
	}
	return owned, err
}

// isNotOwner reports whether a refused commit of a group means that the partition is assigned to
// another member. Transports that can't tell more return the bare status 1 for it.
func isNotOwner(err error) bool {
	var status *iggyerr.StatusError
	return errors.Is(err, iggyerr.ErrNotOwner) ||
		errors.As(err, &status) && status.Status == iggyerr.StatusGeneric
}
