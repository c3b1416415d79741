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

// ErrGroupInUse is returned when the offsets of a group with members are to be changed: the server
// lets only the owner of a partition change its offset. Stop the group's consumers first.
var ErrGroupInUse = errors.New("iggy: the consumer group has members")

// SetOffsets commits offsets for a group, by partition. An offset is that of the last message
// that counts as acknowledged; consumers continue with the message after it. It must not be beyond the
// end of the log. To deliver a partition from its beginning, delete its offset.
//
// The server accepts this from members only, so the Admin joins the group on another connection for
// the time of the call. The error is ErrGroupInUse when the group has members. When a consumer
// joins meanwhile, or the connection breaks, some partitions may be set and others not: the error
// names the first that is not.
func (a *Admin) SetOffsets(ctx context.Context, g Group, offsets map[uint32]uint64) error {
	return a.asOnlyMember(ctx, "set offsets", g, slices.Sorted(maps.Keys(offsets)), func(ctx context.Context, s session, partition uint32) error {
		return s.bounded(ctx, func(ctx context.Context) error {
			return s.conn.StoreOffset(ctx, transportConsumer(g), partition, offsets[partition])
		})
	})
}

// DeleteOffsets deletes the committed offsets of a group in some partitions, or in all when none is
// named. Its consumers then begin where start_from says. A partition without an offset is no error.
// As for SetOffsets, the group must not have members.
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
		err := s.call(ctx, "delete offset", transportConsumer(g).Object(int64(partition)), func(c *tcp.IggyTcpClient) error {
			return c.DeleteConsumerOffset(sdkConsumer(g), identifier(g.Stream), identifier(g.Topic), &partition)
		})
		var status *iggyerr.StatusError
		if errors.As(err, &status) && status.Status == iggyerr.StatusOffsetNotStored {
			return nil
		}
		return err
	})
}

// asOnlyMember calls change for each partition while the Admin is the only member of the group, so
// that it owns all partitions.
func (a *Admin) asOnlyMember(ctx context.Context, op string, g Group, partitions []uint32,
	change func(context.Context, session, uint32) error,
) error {
	if err := transport.CheckNames(op, "stream", g.Stream, "topic", g.Topic, "group", g.Name); err != nil {
		return err
	}
	return a.onNewConn(ctx, func(ctx context.Context, s session) error {
		// Check before joining: a join reassigns partitions.
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
		// Closing the connection leaves, too, but the server may notice that only after the call.
		return errors.Join(err, s.leave(ctx, g))
	})
}

// requireMembers fails with ErrGroupInUse when the group has another number of members.
func (s session) requireMembers(ctx context.Context, g Group, want int) error {
	members, err := s.members(ctx, g)
	if err == nil && len(members.Partitions) != want {
		err = ErrGroupInUse
	}
	return err
}

// leave leaves the group, unless the connection is broken.
func (s session) leave(ctx context.Context, g Group) error {
	if s.conn.Err() != nil {
		return nil
	}
	return s.bounded(context.WithoutCancel(ctx), func(ctx context.Context) error { return s.conn.Leave(ctx, transport.Group(g)) })
}

// OffsetAt is the offset of the first message of a partition that the server stored at a time or
// later. found is false when there is none.
func (a *Admin) OffsetAt(ctx context.Context, stream, topic string, partition uint32, at time.Time) (offset uint64, found bool, err error) {
	err = a.do(ctx, func(ctx context.Context, s session) error {
		return s.bounded(ctx, func(ctx context.Context) error {
			polled, err := s.conn.Poll(ctx, transport.Poll{
				// The name matters to stored offsets only; none is stored.
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
