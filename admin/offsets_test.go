package admin_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// filled has a topic of 3 partitions and a group; partition 0 holds 10 messages,
// partition 1 holds one.
func filled(t *testing.T, cfg config.Iggy) (*admin.Admin, admin.Group, transport.Conn) {
	t.Helper()
	a, ctx := newAdmin(t, cfg), newContext(t)
	g := admin.Group{Stream: newStream(t, a), Topic: "t", Name: "g"}
	_, err := a.Provision(ctx, admin.Spec{{Stream: g.Stream, Name: g.Topic, Settings: topic.Settings{Partitions: 3}, Groups: []string{g.Name}}})
	require.NoError(t, err)
	conn := dial(t, cfg)
	for partition, messages := range map[uint32]int{0: 10, 1: 1} {
		var batch wire.Batch
		for i := range messages {
			batch.Append([16]byte{byte(partition), byte(i + 1)}, 1, []byte("payload"), nil)
		}
		require.NoError(t, conn.Send(ctx, g.Stream, g.Topic, partition, &batch))
	}
	return a, g, dial(t, cfg)
}

func committed(t *testing.T, a *admin.Admin, g admin.Group) map[uint32]uint64 {
	t.Helper()
	lag, err := a.Lag(newContext(t), g)
	require.NoError(t, err)
	all := map[uint32]uint64{}
	for _, p := range lag.Partitions {
		if p.Stored {
			all[p.ID] = p.Committed
		}
	}
	return all
}

func TestLag(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		a, g, member := filled(t, cfg)
		ctx := newContext(t)
		lag, err := a.Lag(ctx, g)
		require.NoError(t, err)
		require.Equal(t, admin.Lag{Group: g, Members: []int{}, Partitions: []admin.PartitionLag{
			{Partition: admin.Partition{ID: 0, Messages: 10, Current: 9}, Lag: 10},
			{Partition: admin.Partition{ID: 1, Messages: 1}, Lag: 1},
			{Partition: admin.Partition{ID: 2}},
		}}, lag)
		require.EqualValues(t, 11, lag.Total())

		require.NoError(t, member.Join(ctx, transport.Group(g)))
		who := transport.Consumer{Stream: g.Stream, Topic: g.Topic, Name: g.Name, Group: true}
		require.NoError(t, member.StoreOffset(ctx, who, 0, 6))
		require.NoError(t, member.StoreOffset(ctx, who, 1, 0))
		lag, err = a.Lag(ctx, g)
		require.NoError(t, err)
		require.Equal(t, admin.Lag{Group: g, Members: []int{3}, Partitions: []admin.PartitionLag{
			{Partition: admin.Partition{ID: 0, Messages: 10, Current: 9}, Stored: true, Committed: 6, Lag: 3, Owners: 1},
			{Partition: admin.Partition{ID: 1, Messages: 1}, Stored: true, Owners: 1},
			{Partition: admin.Partition{ID: 2}, Owners: 1},
		}}, lag)

		g.Name = "missing"
		_, err = a.Lag(ctx, g)
		require.ErrorIs(t, err, iggyerr.ErrNotFound)
		require.ErrorContains(t, err, "missing")
	})
}

// A server that lost acknowledged messages in a crash delivers nothing until new
// ones have passed the committed offset.
func TestLagOfAGroupAheadOfTheLog(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	server.CreateTopic("s", "t", 1)
	server.CreateGroup("s", "t", "g")
	answer := []byte{0, 0, 0, 0, 20, 0, 0, 0} // partition 0, current offset 2, stored offset 7
	answer = append(answer, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0)
	server.Inject(iggytest.Garbage(answer...).On(embedded.GetOffset).Times(1))
	lag, err := newAdmin(t, settings(server.Endpoint())).Lag(newContext(t), admin.Group{Stream: "s", Topic: "t", Name: "g"})
	require.NoError(t, err)
	require.Equal(t, []admin.PartitionLag{{Partition: admin.Partition{Current: 2}, Stored: true, Committed: 7, Ahead: true}}, lag.Partitions)
	require.Zero(t, lag.Total())
}

func TestSetAndDeleteOffsets(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		a, g, _ := filled(t, cfg)
		ctx := newContext(t)
		require.NoError(t, a.SetOffsets(ctx, g, map[uint32]uint64{0: 9, 1: 0}))
		require.Equal(t, map[uint32]uint64{0: 9, 1: 0}, committed(t, a, g))
		require.NoError(t, a.SetOffsets(ctx, g, map[uint32]uint64{0: 3}), "it may go back")
		require.Equal(t, map[uint32]uint64{0: 3, 1: 0}, committed(t, a, g))

		groups, err := a.Groups(ctx, g.Stream, g.Topic)
		require.NoError(t, err)
		require.Zero(t, groups[0].Members, "the admin has left")

		require.NoError(t, a.DeleteOffsets(ctx, g, 0))
		require.Equal(t, map[uint32]uint64{1: 0}, committed(t, a, g))
		require.NoError(t, a.DeleteOffsets(ctx, g, 0), "there is none any more")
		require.NoError(t, a.DeleteOffsets(ctx, g))
		require.Empty(t, committed(t, a, g))
	})
}

func TestSetOffsetsFaults(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		a, g, member := filled(t, cfg)
		ctx := newContext(t)
		var refused *iggyerr.StatusError
		require.ErrorAs(t, a.SetOffsets(ctx, g, map[uint32]uint64{0: 10}), &refused)
		require.Equal(t, iggyerr.StatusInvalidOffset, refused.Status)
		require.ErrorContains(t, refused, g.Stream+"/t/0 group g")
		require.Error(t, a.SetOffsets(ctx, g, map[uint32]uint64{7: 0}))

		other := g
		other.Name = "other"
		require.ErrorIs(t, a.SetOffsets(ctx, other, map[uint32]uint64{0: 1}), iggyerr.ErrNotFound)
		require.ErrorIs(t, a.DeleteOffsets(ctx, other), iggyerr.ErrNotFound)
		other.Name, other.Topic = "g", "other"
		require.ErrorIs(t, a.DeleteOffsets(ctx, other), iggyerr.ErrNotFound)
		require.ErrorContains(t, a.SetOffsets(ctx, admin.Group{}, nil), "the stream's name has 0 bytes")

		require.NoError(t, member.Join(ctx, transport.Group(g)))
		err := a.SetOffsets(ctx, g, map[uint32]uint64{0: 1})
		require.ErrorIs(t, err, admin.ErrGroupInUse)
		require.ErrorContains(t, err, g.String())
		require.ErrorIs(t, a.DeleteOffsets(ctx, g), admin.ErrGroupInUse)
		members, err := member.Members(ctx, transport.Group(g))
		require.NoError(t, err)
		require.Equal(t, [][]uint32{{0, 1, 2}}, members.Partitions, "the member has lost nothing")
	})
}

func TestOffsetAt(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		a, g, _ := filled(t, cfg)
		ctx := newContext(t)
		offset, found, err := a.OffsetAt(ctx, g.Stream, g.Topic, 0, time.Now().Add(-time.Hour))
		require.NoError(t, err)
		require.True(t, found)
		require.Zero(t, offset)
		_, found, err = a.OffsetAt(ctx, g.Stream, g.Topic, 0, time.Now().Add(time.Hour))
		require.NoError(t, err)
		require.False(t, found)
		_, found, err = a.OffsetAt(ctx, g.Stream, g.Topic, 2, time.Unix(0, 0))
		require.NoError(t, err)
		require.False(t, found)
		_, _, err = a.OffsetAt(context.Background(), g.Stream, "missing", 0, time.Now())
		require.ErrorIs(t, err, iggyerr.ErrNotFound)
	})
}
