package group

import (
	"context"
	"fmt"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// learned is what the server has assigned to this member.
type learned struct {
	// known are the partitions that were known when the survey began, with the epochs of their
	// assignments.
	known map[uint32]uint64
	// assigned are the partitions that the server names, pending the known ones that it is about to
	// move, and gone the known ones that are not assigned to this member any more.
	assigned, pending, gone []uint32
	// absent are partitions that a standalone consumer is configured to read and the topic does not
	// have.
	absent []uint32
	// members is the group, and unchanged tells that the partitions were not learned since the group
	// is as before.
	members   transport.Members
	unchanged bool
}

// survey is the request that learns what is assigned.
type survey struct {
	server
	known map[uint32]uint64
	// wanted are the partitions of a standalone consumer; none means all.
	wanted []uint32
	// maySkip tells that nothing needs to be learned while the group is as in seen and one of its
	// members has exactly the known partitions.
	maySkip bool
	seen    transport.Members
}

// run reads the group, and learns the partitions when its members or their shares have changed:
// without a change the server moves nothing. It always learns them where the group can't be read.
func (s survey) run(ctx context.Context) (learned, error) {
	if !s.consumer.Group {
		return s.learn(ctx)
	}
	members, err := s.members(ctx, s.consumer.Name)
	if err != nil && (!protocol.IsRefused(err) || protocol.IsNotMember(err)) {
		return learned{}, err
	}
	if err == nil && s.maySkip && slices.EqualFunc(members.Partitions, s.seen.Partitions, slices.Equal) && s.isOneOf(members) {
		return learned{known: s.known, members: members, unchanged: true}, nil
	}
	l, err := s.learn(ctx)
	l.members = members
	return l, err
}

// isOneOf reports whether one of the members has exactly the known partitions. If none has, a
// rotation that jumped has hidden some.
func (s survey) isOneOf(members transport.Members) bool {
	known := s.ids()
	return slices.ContainsFunc(members.Partitions, func(ids []uint32) bool {
		return slices.Equal(slices.Sorted(slices.Values(ids)), known)
	})
}

func (s survey) ids() []uint32 {
	ids := make([]uint32, 0, len(s.known))
	for id := range s.known {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// learn reads what is assigned now.
func (s survey) learn(ctx context.Context) (learned, error) {
	l := learned{known: s.known}
	var err error
	if l.assigned, err = s.list(ctx); err != nil {
		return l, err
	}
	for _, id := range s.wanted {
		if !slices.Contains(l.assigned, id) {
			l.absent = append(l.absent, id)
		}
	}
	for _, id := range s.ids() {
		if slices.Contains(l.assigned, id) {
			continue
		}
		owned := false
		if s.consumer.Group {
			if owned, err = s.owns(ctx, s.consumer.Name, id); err != nil {
				return l, err
			}
		}
		if owned {
			l.pending = append(l.pending, id)
		} else {
			l.gone = append(l.gone, id)
		}
	}
	return l, nil
}

// list returns what the server names: for a member of a group the rotation, for a standalone
// consumer the partitions of the topic that it is configured to read.
func (s survey) list(ctx context.Context) ([]uint32, error) {
	if s.consumer.Group {
		return s.rotation(ctx, s.ids())
	}
	ids, err := s.partitions(ctx)
	if len(s.wanted) > 0 {
		ids = slices.DeleteFunc(ids, func(id uint32) bool { return !slices.Contains(s.wanted, id) })
	}
	return ids, err
}

// absentError says that a standalone consumer is configured to read a partition that does not
// exist.
func absentError(c transport.Consumer, id uint32) error {
	return fmt.Errorf("iggy: %s/%s/%d: %w", c.Stream, c.Topic, id, iggyerr.ErrNotFound)
}

// sharesOf returns the largest share of a group's members, and whether it is larger than the
// smallest by two or more.
func sharesOf(members transport.Members) (largest int, unequal bool) {
	if len(members.Partitions) == 0 {
		return 0, false
	}
	smallest := len(members.Partitions[0])
	for _, owned := range members.Partitions {
		largest, smallest = max(largest, len(owned)), min(smallest, len(owned))
	}
	return largest, largest-smallest >= 2
}
