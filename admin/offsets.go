package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// ErrGroupInUse is returned when the offsets of a group are to be changed that has
// members: the server lets nobody but the owner of a partition change them.
// Stop the group's consumers first.
var ErrGroupInUse = errors.New("iggy: the consumer group has members")

// SetOffsets commits offsets for a group, by partition: the offset of the last
// message that counts as processed, so that the next one is delivered next. The
// end of the log is the furthest. To have a partition delivered from its beginning,
// delete its offset.
//
// The server accepts this from members only, so the Admin joins the group on a
// connection of its own for the time of the call. ErrGroupInUse says that the
// group has members already. When one joins in the middle, or the connection breaks,
// some partitions may have been set and others not: the error names the first
// that was not.
func (a *Admin) SetOffsets(ctx context.Context, g Group, offsets map[uint32]uint64) error {
	return a.asOnlyMember(ctx, "set offsets", g, slices.Sorted(maps.Keys(offsets)), func(ctx context.Context, s session, partition uint32) error {
		return s.bounded(ctx, func(ctx context.Context) error {
			return s.conn.StoreOffset(ctx, owner(g), partition, offsets[partition])
		})
	})
}

// DeleteOffsets makes a group forget what it committed in some partitions, or in all
// when none are named. Its consumers then begin where they are configured to
// start. A partition without an offset is no error. See SetOffsets for the rest.
func (a *Admin) DeleteOffsets(ctx context.Context, g Group, partitions ...uint32) error {
	if len(partitions) == 0 {
		_, all, err := a.Topic(ctx, g.Stream, g.Topic)
		if err != nil {
			return err
		}
		for _, p := range all {
			partitions = append(partitions, p.ID)
		}
	}
	return a.asOnlyMember(ctx, "delete offsets", g, partitions, func(ctx context.Context, s session, partition uint32) error {
		err := s.call(ctx, "delete offset", owner(g).Object(int64(partition)), func(c *tcp.IggyTcpClient) error {
			return c.DeleteConsumerOffset(groupConsumer(g), id(g.Stream), id(g.Topic), &partition)
		})
		var status *iggyerr.StatusError
		if errors.As(err, &status) && status.Status == iggyerr.StatusOffsetNotStored {
			return nil
		}
		return err
	})
}

// asOnlyMember makes a change for each partition while it is the group's only
// member, which owns all partitions.
func (a *Admin) asOnlyMember(ctx context.Context, op string, g Group, partitions []uint32,
	change func(context.Context, session, uint32) error,
) error {
	if err := transport.CheckNames(op, "stream", g.Stream, "topic", g.Topic, "group", g.Name); err != nil {
		return err
	}
	return a.fresh(ctx, func(ctx context.Context, s session) error {
		// Before joining, which would make the server move a partition.
		if err := s.requireMembers(ctx, g, 0); err != nil {
			return fmt.Errorf("admin: %s of %s: %w", op, g, err)
		}
		if err := s.bounded(ctx, func(ctx context.Context) error { return s.conn.Join(ctx, transport.Group(g)) }); err != nil {
			return err
		}
		err := s.requireMembers(ctx, g, 1)
		if err != nil {
			err = fmt.Errorf("admin: %s of %s: %w", op, g, err)
		}
		for _, partition := range partitions {
			if err == nil {
				err = change(ctx, s, partition)
			}
		}
		// The end of the connection leaves, too; this way the server knows before the call returns.
		return errors.Join(err, s.leave(ctx, g))
	})
}

func (s session) requireMembers(ctx context.Context, g Group, want int) error {
	members, err := s.members(ctx, g)
	if err == nil && len(members.Partitions) != want {
		err = ErrGroupInUse
	}
	return err
}

func (s session) leave(ctx context.Context, g Group) error {
	if s.conn.Err() != nil {
		return nil
	}
	return s.bounded(context.WithoutCancel(ctx), func(ctx context.Context) error { return s.conn.Leave(ctx, transport.Group(g)) })
}

// OffsetAt finds the first message of a partition that the server stored at a
// time or later. Found is false when there is none.
func (a *Admin) OffsetAt(ctx context.Context, stream, topic string, partition uint32, at time.Time) (offset uint64, found bool, err error) {
	err = a.do(ctx, func(ctx context.Context, s session) error {
		return s.bounded(ctx, func(ctx context.Context) error {
			polled, err := s.conn.Poll(ctx, transport.Poll{
				// A single consumer's name only matters to stored offsets; none is stored.
				Consumer:  transport.Consumer{Stream: stream, Topic: topic, Name: "admin"},
				Partition: int64(partition),
				Strategy:  transport.Strategy{Kind: transport.FromTimestamp, Value: uint64(max(at.UnixMicro(), 0))},
				Count:     1,
			})
			if err != nil {
				return err
			}
			offset, found = 0, len(polled.Messages) > 0
			if found {
				offset = polled.Messages[0].Offset
			}
			return nil
		})
	})
	return offset, found, err
}
