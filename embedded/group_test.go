package embedded_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func members(t testing.TB, srv *embedded.Server) []embedded.GroupMember {
	t.Helper()
	list, err := srv.GroupMembers("s", "t", "g")
	require.NoError(t, err)
	return list
}

// assignments returns the partitions of each member.
func assignments(t testing.TB, srv *embedded.Server) [][]uint32 {
	t.Helper()
	var list [][]uint32
	for _, m := range members(t, srv) {
		list = append(list, m.Partitions)
	}
	return list
}

func groupMember(t testing.TB, srv *embedded.Server) *testConn {
	t.Helper()
	c := dial(t, srv)
	c.login(t)
	c.mustCall(t, embedded.JoinGroup, groupG)
	return c
}

// TestJoiningMemberGetsOnePartition compares with the assignments of the real server: 7 and 1, then
// 5, 1, 1 and 1, which stay until a transient member has joined and left.
func TestJoiningMemberGetsOnePartition(t *testing.T) {
	t.Parallel()
	srv := start(t)
	makeTopic(t, srv, 8)
	lengths := func() []int {
		var n []int
		for _, s := range assignments(t, srv) {
			n = append(n, len(s))
		}
		return n
	}
	groupMember(t, srv)
	second := groupMember(t, srv)
	require.Equal(t, []int{7, 1}, lengths())
	groupMember(t, srv)
	groupMember(t, srv)
	require.Equal(t, []int{5, 1, 1, 1}, lengths())
	second.mustCall(t, embedded.JoinGroup, groupG)
	require.Equal(t, []int{5, 1, 1, 1}, lengths(), "joining again changes nothing")
	transient := groupMember(t, srv)
	require.Equal(t, []int{4, 1, 1, 1, 1}, lengths())
	transient.mustCall(t, embedded.LeaveGroup, groupG)
	require.Equal(t, [][]uint32{{0, 4}, {1, 5}, {2, 6}, {3, 7}}, assignments(t, srv))
}

func TestDisconnectRebalances(t *testing.T) {
	t.Parallel()
	srv := start(t)
	makeTopic(t, srv, 4)
	first, second := groupMember(t, srv), groupMember(t, srv)
	require.Equal(t, [][]uint32{{0, 1, 2}, {3}}, assignments(t, srv))
	first.close(t, srv)
	require.Equal(t, [][]uint32{{0, 1, 2, 3}}, assignments(t, srv))
	second.close(t, srv)
	require.Empty(t, members(t, srv))
}

// TestLeavingUnderLoadLosesNothing lets members join and disconnect while they poll: nothing is
// lost, and only what was not committed is delivered twice.
func TestLeavingUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	const partitions, perPartition = 4, 300
	srv := start(t)
	producer := makeTopic(t, srv, partitions)
	for i := range perPartition {
		for p := range uint32(partitions) {
			producer.mustCall(t, embedded.SendMessages, sendBody(streamS, topicT, toPartition(p), message(uint64(i+1), "x", "")))
		}
	}
	var mu sync.Mutex
	total := map[string]int{}
	done := func() bool {
		for p := range uint32(partitions) {
			if offset, ok, err := srv.StoredOffset("s", "t", "g", p); err != nil || !ok || offset != perPartition-1 {
				return false
			}
		}
		return true
	}
	var wg sync.WaitGroup
	for n := range 3 {
		wg.Go(func() {
			for round := 0; !done(); round++ {
				c := dial(t, srv)
				w := &groupWorker{c: c, seen: map[string]int{}}
				if _, err := c.Write(slices.Concat(frame(embedded.LoginUser, loginBody("iggy", "iggy")), frame(embedded.JoinGroup, groupG))); err != nil {
					t.Error(err)
					return
				}
				for range 2 {
					if status, _, err := c.tryReceive(); err != nil || status != embedded.StatusOK {
						t.Error(status, err)
						return
					}
				}
				for range 5 + 10*n + round {
					if err := w.step(); err != nil {
						t.Error(err)
						return
					}
				}
				_ = c.Close()
				mu.Lock()
				for k, n := range w.seen {
					total[k] += n
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Len(t, total, partitions*perPartition)
}
