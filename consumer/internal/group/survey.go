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
	// asked are the partitions that were known when it was asked, with the epochs of their
	// assignments.
	asked map[uint32]uint64
	// assigned are the partitions that the server names, pending those of the known ones that it is
	// about to move, and gone those that are this member's no more.
	assigned, pending, gone []uint32
	// absent are partitions that a standalone consumer is to read and that the topic does not have.
	absent []uint32
	// members is the group as it was then, and unchanged tells that nothing else was asked since it
	// was as before.
	members   transport.Members
	unchanged bool
}

// survey is a question for what is assigned.
type survey struct {
	server
	known map[uint32]uint64
	// wanted are the partitions of a standalone consumer; none means all.
	wanted []uint32
	// maySkip tells that nothing needs to be learned while the group is as it was in seen and one
	// of its members has exactly what is known.
	maySkip bool
	seen    transport.Members
}

// run surveys the group: it learns again when something changed, a new member, without which
// nothing is moved, or other shares; and always where the group can't be read.
func (s survey) run(ctx context.Context) (learned, error) {
	if !s.consumer.Group {
		return s.learn(ctx)
	}
	members, err := s.members(ctx, s.consumer.Name)
	if err != nil && (!protocol.IsRefused(err) || protocol.IsNotMember(err)) {
		return learned{}, err
	}
	if err == nil && s.maySkip && slices.EqualFunc(members.Partitions, s.seen.Partitions, slices.Equal) && s.isOneOf(members) {
		return learned{asked: s.known, members: members, unchanged: true}, nil
	}
	l, err := s.learn(ctx)
	l.members = members
	return l, err
}

// isOneOf tells whether one of the members has exactly what is known. If none has, a rotation that
// jumped has hidden some.
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

// learn finds out what is assigned now.
func (s survey) learn(ctx context.Context) (learned, error) {
	l := learned{asked: s.known}
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

// list is what the server names: for a member of a group the rotation, for a standalone consumer
// the topic's partitions that it wants.
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

// absentError says that a standalone consumer is to read a partition that does not exist.
func absentError(c transport.Consumer, id uint32) error {
	return fmt.Errorf("iggy: %s/%s/%d: %w", c.Stream, c.Topic, id, iggyerr.ErrNotFound)
}

// sharesOf tells the largest share of a group's members, and whether it is larger by two or more
// than the smallest.
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
