package admin_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func TestLag(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		a, g, member := newFilledTopic(t, cfg)
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

// A server that lost messages in a crash has committed offsets beyond the end of the log.
func TestLagBeyondEndOfLog(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	server.CreateTopic("s", "t", 1)
	server.CreateGroup("s", "t", "g")
	answer := []byte{0, 0, 0, 0, 20, 0, 0, 0} // partition 0, current offset 2, stored offset 7
	answer = append(answer, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0)
	server.Inject(iggytest.Garbage(answer...).On(embedded.GetOffset).Times(1))
	lag, err := newAdmin(t, settings(server.Address())).Lag(newContext(t), admin.Group{Stream: "s", Topic: "t", Name: "g"})
	require.NoError(t, err)
	require.Equal(t, []admin.PartitionLag{{Partition: admin.Partition{Current: 2}, Stored: true, Committed: 7, BeyondEnd: true}}, lag.Partitions)
	require.Zero(t, lag.Total())
}
