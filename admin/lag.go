package admin

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Lag is the lag of a consumer group, by partition.
type Lag struct {
	Group
	// Members has the number of owned partitions of each member, in no order: the server does not
	// identify the members.
	Members    []int          `json:"members"`
	Partitions []PartitionLag `json:"partitions"`
}

// PartitionLag is the lag of a group in one partition.
type PartitionLag struct {
	Partition
	// Stored is true when the group has committed an offset. Committed is valid only then.
	Stored bool `json:"stored"`
	// Committed is the committed offset: that of the last message of the acknowledged prefix.
	Committed uint64 `json:"committed"`
	// Lag is the number of messages after Committed. For a group that has committed nothing, these
	// are all messages, even if start_from makes it skip them.
	Lag uint64 `json:"lag"`
	// BeyondEnd is true when the committed offset is beyond the end of the log: the server lost
	// messages in a crash, or the topic was recreated. Nothing is delivered until the log has grown
	// beyond it.
	BeyondEnd bool `json:"beyond_end,omitempty"`
	// Owners is how many members own the partition, 0 when nobody reads it.
	Owners int `json:"owners"`
}

// Total is the sum of the lags of all partitions.
func (l Lag) Total() uint64 {
	var total uint64
	for _, p := range l.Partitions {
		total += p.Lag
	}
	return total
}

// Lag reads the lag of a group, one partition after another. The error matches
// iggyerr.ErrNotFound when there is no such stream, topic or group.
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
	// The topic was read before the offset: messages may have been stored in between.
	p.Current = max(p.Current, o.CurrentOffset)
	lag := PartitionLag{Partition: p, Stored: o.Stored, Committed: o.Offset}
	switch {
	case !o.Stored:
		lag.Lag = p.Messages
	case o.Offset > p.Current, p.Messages == 0 && p.Current == 0:
		lag.BeyondEnd = true
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
		offset, err = s.conn.Offset(ctx, transportConsumer(g), partition)
		return err
	})
	return offset, err
}

func transportConsumer(g Group) transport.Consumer {
	return transport.Consumer{Stream: g.Stream, Topic: g.Topic, Name: g.Name, Group: true}
}
