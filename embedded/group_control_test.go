package embedded_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func TestRebalanceRemoveMemberDeleteGroup(t *testing.T) {
	t.Parallel()
	srv := start(t)
	makeTopic(t, srv, 4)
	first := groupMember(t, srv)
	groupMember(t, srv)
	require.NoError(t, srv.Rebalance("s", "t", "g"))
	require.Equal(t, [][]uint32{{0, 2}, {1, 3}}, assignments(t, srv))

	var id uint32
	for _, c := range srv.Connections() {
		if c.Remote.String() == first.LocalAddr().String() {
			id = c.ClientID
		}
	}
	require.NoError(t, srv.RemoveMember("s", "t", "g", id))
	require.Equal(t, [][]uint32{{0, 1, 2, 3}}, assignments(t, srv))
	require.ErrorContains(t, srv.RemoveMember("s", "t", "g", id), "not a member")
	poll := pollBody(grouped("g"), streamS, topicT, -1, 5, 0, 1, 0)
	status, _ := first.call(t, embedded.PollMessages, poll)
	require.Equal(t, embedded.StatusNotMember, status)
	first.mustCall(t, embedded.JoinGroup, groupG)

	require.NoError(t, srv.DeleteGroup("s", "t", "g"))
	status, _ = first.call(t, embedded.PollMessages, poll)
	require.Equal(t, embedded.StatusGroupNotFound, status)
	for _, err := range []error{
		srv.DeleteGroup("s", "t", "g"), srv.Rebalance("s", "t", "g"), srv.Rebalance("s", "missing", "g"), srv.Rebalance("missing", "t", "g"),
		srv.RemoveMember("s", "t", "g", id),
	} {
		require.ErrorContains(t, err, "not found")
	}
}
