package admin

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Lag is how far a consumer group is behind, and who reads for it.
type Lag struct {
	Group
	// Members is how many partitions each member owns, in no order: the server
	// does not say who the members are.
	Members    []int          `json:"members"`
	Partitions []PartitionLag `json:"partitions"`
}

// PartitionLag is how far a group is behind in one partition.
type PartitionLag struct {
	Partition
	// Stored tells whether the group has committed an offset; Committed is valid
	// only then.
	Stored bool `json:"stored"`
	// Committed is the offset of the last message that was processed.
	Committed uint64 `json:"committed"`
	// Lag is how many messages wait. Of a group that has committed nothing, all
	// that are there do, though it may begin elsewhere.
	Lag uint64 `json:"lag"`
	// Ahead tells that the committed offset is beyond the end of the log: the
	// server lost acknowledged messages in a crash, or the topic was made again.
	// Nothing is delivered until new messages have passed it.
	Ahead bool `json:"ahead,omitempty"`
	// Owners is how many members own the partition: 0 when nobody reads it.
	Owners int `json:"owners"`
}

// Total is the lag of all partitions together.
func (l Lag) Total() uint64 {
	var total uint64
	for _, p := range l.Partitions {
		total += p.Lag
	}
	return total
}

// Lag reads how far a group is behind. The numbers of different partitions
// are read one after another. The error matches iggyerr.ErrNotFound when there
// is no such stream, topic or group.
func (a *Admin) Lag(ctx context.Context, g Group) (Lag, error) {
	lag := Lag{Group: g}
	err := a.do(ctx, func(ctx context.Context, s session) error {
		members, err := s.members(ctx, g)
		if err != nil {
			return err
		}
		_, partitions, err := s.topic(ctx, g.Stream, g.Topic)
		if err != nil {
			return err
		}
		owners := map[uint32]int{}
		lag.Members = make([]int, len(members.Partitions))
		for i, owned := range members.Partitions {
			lag.Members[i] = len(owned)
			for _, partition := range owned {
				owners[partition]++
			}
		}
		lag.Partitions = make([]PartitionLag, len(partitions))
		for i, p := range partitions {
			offset, err := s.offset(ctx, g, p.ID)
			if err != nil {
				return err
			}
			lag.Partitions[i] = newPartitionLag(p, offset)
			lag.Partitions[i].Owners = owners[p.ID]
		}
		return nil
	})
	if err != nil {
		return Lag{}, err
	}
	return lag, nil
}

func newPartitionLag(p Partition, o transport.Offset) PartitionLag {
	// The topic was read a moment before; messages may have come since.
	p.Current = max(p.Current, o.CurrentOffset)
	lag := PartitionLag{Partition: p, Stored: o.Stored, Committed: o.Offset}
	switch {
	case !o.Stored:
		lag.Lag = p.Messages
	case o.Offset > p.Current, p.Messages == 0 && p.Current == 0:
		lag.Ahead = true
	default:
		lag.Lag = p.Current - o.Offset
	}
	return lag
}

func (s session) members(ctx context.Context, g Group) (members transport.Members, err error) {
	err = s.bounded(ctx, func(ctx context.Context) error {
		members, err = s.conn.Members(ctx, transport.Group(g))
		return err
	})
	return members, err
}

func (s session) offset(ctx context.Context, g Group, partition uint32) (offset transport.Offset, err error) {
	err = s.bounded(ctx, func(ctx context.Context) error {
		offset, err = s.conn.Offset(ctx, owner(g), partition)
		return err
	})
	return offset, err
}

func owner(g Group) transport.Consumer {
	return transport.Consumer{Stream: g.Stream, Topic: g.Topic, Name: g.Name, Group: true}
}
