package iggytest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func TestGroupFaults(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	srv.CreateTopic(stream, topic, 1)
	require.Error(t, srv.Rebalance(stream, topic, group))
	require.Error(t, srv.RemoveMembers(stream, topic, group))
	require.Error(t, srv.DeleteGroup(stream, topic, group))
	srv.CreateGroup(stream, topic, group)

	g := transport.Group{Stream: stream, Topic: topic, Name: group}
	poll := transport.Poll{
		Consumer:  transport.Consumer{Stream: stream, Topic: topic, Name: group, Group: true},
		Partition: transport.AnyPartition, Strategy: transport.Strategy{Kind: 5}, Count: 1, // after the stored offset
	}
	require.NoError(t, send(t, connect(t, srv, nil), 0, "one"))
	first, second := connect(t, srv, nil), connect(t, srv, nil)
	require.NoError(t, first.Join(t.Context(), g))
	polled, err := first.Poll(t.Context(), poll)
	require.NoError(t, err)
	require.Len(t, polled.Messages, 1)
	require.NoError(t, second.Join(t.Context(), g))
	require.NoError(t, first.Leave(t.Context(), g))
	require.NoError(t, first.Join(t.Context(), g))
	// Both are members, and the second one has the partition. A rebalance assigns it in the order
	// of joining.
	require.NoError(t, srv.Rebalance(stream, topic, group))
	members, err := srv.Embedded().GroupMembers(stream, topic, group)
	require.NoError(t, err)
	require.Len(t, members[0].Partitions, 1)

	removed := srv.Inject(iggytest.Do(func(iggytest.Request) { _ = srv.RemoveMembers(stream, topic, group) }).On(embedded.PollMessages).Times(1))
	for _, conn := range []transport.Conn{first, second} {
		_, err = conn.Poll(t.Context(), poll)
		require.ErrorIs(t, err, iggyerr.ErrNotMember)
	}
	removed.Wait(1)
	require.Zero(t, srv.Members(stream, topic, group))
	require.NoError(t, first.Join(t.Context(), g))

	require.NoError(t, srv.DeleteGroup(stream, topic, group))
	_, err = first.Poll(t.Context(), poll)
	var status *iggyerr.StatusError
	require.ErrorAs(t, err, &status)
	require.Equal(t, iggyerr.StatusGroupNotFound, status.Status)
}
