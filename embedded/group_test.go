package embedded_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func members(t testing.TB, srv *embedded.Server) []embedded.GroupMember {
	t.Helper()
	list, err := srv.GroupMembers("s", "t", "g")
	require.NoError(t, err)
	return list
}

// shares are the partitions of each member, in their order.
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

func TestHandoverWaitsForTimeout(t *testing.T) {
	t.Parallel()
	srv := start(t, embedded.WithHandoverTimeout(50*time.Millisecond))
	c := makeTopic(t, srv, 2)
	sendN(t, c, 1, 1)
	owner := groupMember(t, srv)
	owner.mustCall(t, embedded.PollMessages, pollBody(grouped("g"), streamS, topicT, 1, 5, 0, 1, 0))
	begun := time.Now()
	joiner := groupMember(t, srv)
	require.Eventually(t, func() bool { return slices.Equal(assignments(t, srv)[1], []uint32{1}) }, waitTimeout, time.Millisecond)
	require.GreaterOrEqual(t, time.Since(begun), 50*time.Millisecond)
	status, _ := owner.call(t, embedded.StoreOffset, join(grouped("g"), streamS, topicT, part(1), u64(0)))
	require.Equal(t, embedded.StatusNotOwner, status)
	answer := joiner.mustCall(t, embedded.PollMessages, pollBody(grouped("g"), streamS, topicT, 1, 5, 0, 1, 0))
	require.EqualValues(t, 1, binary.LittleEndian.Uint32(answer[12:]), "what was not committed comes again")
}

func TestHandoverWaitsForCommit(t *testing.T) {
	t.Parallel()
	srv := start(t)
	c := makeTopic(t, srv, 2)
	sendN(t, c, 1, 1)
	owner := groupMember(t, srv)
	owner.mustCall(t, embedded.PollMessages, pollBody(grouped("g"), streamS, topicT, 1, 5, 0, 1, 0))
	groupMember(t, srv)
	require.Equal(t, []uint32{1}, members(t, srv)[0].HandingOver)
	require.Equal(t, [][]uint32{{0, 1}, nil}, assignments(t, srv))
	owner.mustCall(t, embedded.StoreOffset, join(grouped("g"), streamS, topicT, part(1), u64(0)))
	require.Empty(t, members(t, srv)[0].HandingOver)
	require.Equal(t, [][]uint32{{0}, {1}}, assignments(t, srv))
}

// TestOnePartitionForEachJoiner follows the shares seen on the real server: 7 and 1, then 5, 1, 1
// and 1, for good, and even ones once a passing member has come and gone.
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
	passing := groupMember(t, srv)
	require.Equal(t, []int{4, 1, 1, 1, 1}, lengths())
	passing.mustCall(t, embedded.LeaveGroup, groupG)
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

// TestMigration: after its first send to an explicit partition, the real server has forgotten that
// a connection is in groups. It stays a member and, once gone, keeps its partitions until someone
// else joins.
func TestSendToPartitionMigratesConnection(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		t.Run(fmt.Sprint(on), func(t *testing.T) {
			t.Parallel()
			srv := start(t, embedded.WithConnectionMigration(on))
			makeTopic(t, srv, 2)
			c := groupMember(t, srv)
			c.mustCall(t, embedded.SendMessages, sendBody(streamS, topicT, balanced, message(1, "a", "")))
			me := c.mustCall(t, embedded.GetMe, nil)
			require.Equal(t, u32(0), me[4:8], "a balanced send does not move the connection")
			sendN(t, c, 0, 1)
			me = c.mustCall(t, embedded.GetMe, nil)
			if !on {
				require.Equal(t, u32(0), me[4:8])
				c.close(t, srv)
				require.Empty(t, members(t, srv))
				return
			}
			require.Equal(t, u32(1<<32-1), me[4:8])
			require.Equal(t, u32(0), me[len(me)-4:], "no groups")
			c.mustCall(t, embedded.PollMessages, pollBody(grouped("g"), streamS, topicT, 0, 5, 0, 1, 0))
			c.close(t, srv)
			require.Equal(t, [][]uint32{{0, 1}}, assignments(t, srv))
			groupMember(t, srv)
			require.Equal(t, [][]uint32{{0, 1}}, assignments(t, srv))
			require.Len(t, members(t, srv), 1)
		})
	}
}

// worker polls in turn and commits each batch before it polls the next one.
type groupWorker struct {
	c    *testConn
	seen map[string]int
	err  error
}

func (w *groupWorker) run(ctx context.Context) {
	for ctx.Err() == nil && w.err == nil {
		w.err = w.step()
	}
}

func (w *groupWorker) step() error {
	_, err := w.c.Write(frame(embedded.PollMessages, pollBody(grouped("g"), streamS, topicT, -1, 5, 0, 7, 0)))
	if err != nil {
		return err
	}
	status, answer, err := w.c.tryReceive()
	if err != nil || status != embedded.StatusOK {
		return fmt.Errorf("poll: %w %s", err, status)
	}
	count := binary.LittleEndian.Uint32(answer[12:])
	if count == 0 {
		return nil
	}
	partition := int(binary.LittleEndian.Uint32(answer))
	var last uint64
	for _, m := range splitMessages(answer[16:]) {
		last = binary.LittleEndian.Uint64(m[24:])
		w.seen[fmt.Sprintf("%d/%d", partition, last)]++
	}
	_, err = w.c.Write(frame(embedded.StoreOffset, join(grouped("g"), streamS, topicT, part(partition), u64(last))))
	if err != nil {
		return err
	}
	status, _, err = w.c.tryReceive()
	if err != nil || status != embedded.StatusOK && status != embedded.StatusNotOwner {
		return fmt.Errorf("commit: %w %s", err, status)
	}
	return nil
}

// TestHandoverUnderLoad lets members join while a producer sends: since joining is cooperative and
// every batch is committed before the next poll, each message comes exactly once, and no partition
// ever has two owners.
func TestHandoverUnderLoadDeliversOnce(t *testing.T) {
	t.Parallel()
	const partitions, perPartition = 6, 400
	srv := start(t)
	producer := makeTopic(t, srv, partitions)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var sent atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range perPartition {
			for p := range uint32(partitions) {
				body := sendBody(streamS, topicT, toPartition(p), message(uint64(i+1), "x", ""))
				if _, err := producer.Write(frame(embedded.SendMessages, body)); err != nil {
					return
				}
				if status, _, err := producer.tryReceive(); err != nil || status != embedded.StatusOK {
					return
				}
				sent.Add(1)
			}
		}
	})
	// Each partition has one owner at any time, whoever looks.
	wg.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			list, err := srv.GroupMembers("s", "t", "g")
			if err != nil {
				t.Error(err)
				return
			}
			owned := map[uint32]bool{}
			for _, m := range list {
				for _, p := range m.Partitions {
					if owned[p] {
						t.Errorf("partition %d has two owners", p)
					}
					owned[p] = true
				}
			}
			if len(list) > 0 && len(owned) != partitions {
				t.Errorf("%d partitions have an owner", len(owned))
			}
		}
	})
	var workers []*groupWorker
	for n := range 3 {
		require.Eventually(t, func() bool { return sent.Load() >= int64(n*perPartition*partitions/4) }, waitTimeout, time.Millisecond)
		w := &groupWorker{c: groupMember(t, srv), seen: map[string]int{}}
		workers = append(workers, w)
		wg.Go(func() { w.run(ctx) })
	}
	require.Eventually(t, func() bool { return sent.Load() == perPartition*partitions }, waitTimeout, time.Millisecond)
	require.Eventually(t, func() bool {
		for p := range uint32(partitions) {
			offset, ok, err := srv.StoredOffset("s", "t", "g", p)
			if err != nil || !ok || offset != perPartition-1 {
				return false
			}
		}
		return true
	}, waitTimeout, time.Millisecond)
	cancel()
	wg.Wait()
	total := map[string]int{}
	for _, w := range workers {
		require.NoError(t, w.err)
		for k, n := range w.seen {
			total[k] += n
		}
	}
	require.Len(t, total, partitions*perPartition)
	for k, n := range total {
		require.Equalf(t, 1, n, "message %s", k)
	}
	var n []int
	for _, s := range assignments(t, srv) {
		n = append(n, len(s))
	}
	slices.Sort(n)
	require.Equal(t, []int{1, 1, 4}, n)
}

// TestLeavingUnderLoad lets members come and go without a word: nothing is lost, and what comes
// twice was uncommitted.
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
