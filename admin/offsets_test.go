package admin_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func TestSetAndDeleteOffsets(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		a, g, _ := newFilledTopic(t, cfg)
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

func TestSetOffsetsRefused(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		a, g, member := newFilledTopic(t, cfg)
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
		a, g, _ := newFilledTopic(t, cfg)
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
