package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

var (
	mainGroup         = transport.Group{Stream: "s", Topic: "t", Name: "g"}
	coordinationGroup = transport.Group{Stream: "s", Topic: "t", Name: "g.balance"}
)

// shares are the numbers of partitions of the members, smallest first.
func shares(members []*consumer.Consumer[string]) []int {
	var owned []int
	for _, c := range members {
		owned = append(owned, len(c.Status().Partitions))
	}
	slices.Sort(owned)
	return owned
}

// waitForAssignment waits until the members have the wanted numbers of partitions.
func waitForAssignment(t *testing.T, members []*consumer.Consumer[string], want ...int) {
	t.Helper()
	begun := time.Now()
	eventually(t, fmt.Sprint(want), func() bool { return slices.Equal(shares(members), want) })
	t.Logf("%v after %s", want, time.Since(begun).Round(time.Millisecond))
	require.Less(t, time.Since(begun), 30*time.Second)
}

func TestCoordinationGroupIsNamedByTheConfiguration(t *testing.T) {
	t.Parallel()
	require.Equal(t, config.DefaultConsumer("g").CoordinationGroup(), "g"+config.CoordinationSuffix)
}

func TestMembersStartedTogetherGetFairAssignment(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 8)
	log := newHandlerLog()
	stopLoad := e.load(8, 5*time.Millisecond)
	var members []*consumer.Consumer[string]
	for range 4 {
		members = append(members, e.worker(fastConfig(), log, time.Millisecond))
	}
	waitForAssignment(t, members, 2, 2, 2, 2)
	stopped := make(chan error, 3)
	for _, c := range members[1:] {
		go func() { stopped <- c.Stop(context.Background()) }()
	}
	for range 3 {
		require.NoError(t, <-stopped)
	}
	waitForAssignment(t, members[:1], 8)
	sent := stopLoad()
	log.wait(t, sent)
	stop(t, members[0])
	t.Logf("%d messages, %d handled twice", sent, log.doubled)
}

func TestAssignmentIsFairWhileMembersJoinAndLeave(t *testing.T) {
	t.Parallel()
	overBothServers(t, 8, func(t *testing.T, e *testEnv, cfg config.Consumer) {
		log := newHandlerLog()
		stopLoad := e.load(8, 5*time.Millisecond)
		var members []*consumer.Consumer[string]
		for _, want := range [][]int{{8}, {4, 4}, {2, 3, 3}, {2, 2, 2, 2}} {
			members = append(members, e.worker(cfg, log, time.Millisecond))
			waitForAssignment(t, members, want...)
			log.wait(t, log.distinct()+200)
		}
		// A rolling replacement: each old one goes when a new one has come.
		for range 4 {
			members = append(members, e.worker(cfg, log, time.Millisecond))
			waitForAssignment(t, members, 1, 1, 2, 2, 2)
			stop(t, members[0])
			members = members[1:]
			waitForAssignment(t, members, 2, 2, 2, 2)
			log.wait(t, log.distinct()+200)
		}
		for _, want := range [][]int{{2, 3, 3}, {4, 4}, {8}} {
			stop(t, members[0])
			members = members[1:]
			waitForAssignment(t, members, want...)
			log.wait(t, log.distinct()+200)
		}
		sent := stopLoad()
		log.wait(t, sent)
		stop(t, members[0])
		t.Logf("%d messages, %d handled twice", sent, log.doubled)
		require.Zero(t, log.doubled)
		require.Zero(t, log.overlaps)
	})
}

func TestRebalanceWaitsForForeignMemberWithinGrace(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 8)
	cfg := fastConfig()
	cfg.RebalanceGrace = 300 * time.Millisecond
	log := newHandlerLog()
	ours := e.worker(cfg, log, 0)
	waitForAssignment(t, []*consumer.Consumer[string]{ours}, 8)
	foreign := e.connect() // does not know the coordination group
	require.NoError(t, foreign.Join(context.Background(), mainGroup))
	waitForAssignment(t, []*consumer.Consumer[string]{ours}, 4)
	require.NoError(t, foreign.Close())
	waitForAssignment(t, []*consumer.Consumer[string]{ours}, 8)
	e.send(7, "a/0")
	log.wait(t, 1)
}

func TestNoticeOfCrashedMemberIsForgotten(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	log := newHandlerLog()
	e.worker(fastConfig(), log, 0)
	dying := e.connect()
	require.NoError(t, dying.Join(context.Background(), coordinationGroup))
	eventually(t, "the member's notice", func() bool { return e.server.Members("s", "t", coordinationGroup.Name) == 2 })
	e.send(0, "a/0")
	require.NoError(t, dying.Close())
	log.wait(t, 1)
	eventually(t, "the end of the notice", func() bool { return e.server.Members("s", "t", coordinationGroup.Name) == 0 })
}

func TestStaleNoticeIsIgnored(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	cfg := fastConfig()
	cfg.RebalanceGrace = 50 * time.Millisecond
	cfg.RebalanceAfter = 2 * time.Second // for twenty times as long it is ignored
	log := newHandlerLog()
	e.worker(cfg, log, 0)
	hanging := e.connect()
	require.NoError(t, hanging.Join(context.Background(), coordinationGroup))
	eventually(t, "the member's notice", func() bool { return e.server.Members("s", "t", coordinationGroup.Name) == 2 })
	eventually(t, "the stale notice to be ignored", func() bool { return e.server.Members("s", "t", coordinationGroup.Name) == 1 })
	for i := range 20 {
		begun := time.Now()
		e.send(0, fmt.Sprintf("a/%d", i))
		log.wait(t, i+1)
		require.Less(t, time.Since(begun), cfg.RebalanceGrace+time.Second, "nobody waits for it again")
	}
	require.Equal(t, 1, e.server.Members("s", "t", coordinationGroup.Name))
}

func TestMissingCoordinationGroupLeavesAssignmentUneven(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 4)
	require.NoError(t, e.server.DeleteGroup("s", "t", coordinationGroup.Name))
	cfg := fastConfig()
	cfg.RebalanceAfter = 100 * time.Millisecond
	log := newHandlerLog()
	members := []*consumer.Consumer[string]{e.worker(cfg, log, 0)}
	waitForAssignment(t, members, 4)
	members = append(members, e.worker(cfg, log, 0))
	waitForAssignment(t, members, 1, 3)
	e.send(0, "a/0")
	e.send(3, "b/0")
	log.wait(t, 2)
	e.server.CreateGroup("s", "t", coordinationGroup.Name)
	waitForAssignment(t, members, 2, 2)
	stop(t, members[0])
	waitForAssignment(t, members[1:], 4)
}

// The connection that makes the nth request of a rebalance is cut.
func TestRebalanceSurvivesMemberCrashAtAnyStep(t *testing.T) {
	t.Parallel()
	for step := range 12 {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			t.Parallel()
			e := newTestEnv(t, 4)
			log := newHandlerLog()
			stopLoad := e.load(4, 5*time.Millisecond)
			members := []*consumer.Consumer[string]{e.worker(fastConfig(), log, 0)}
			waitForAssignment(t, members, 4)
			var steps atomic.Int32
			cut := e.server.Inject(iggytest.Cut().AfterEffect().On(embedded.JoinGroup, embedded.LeaveGroup, embedded.StoreOffset).
				When(func(iggytest.Request) bool { return int(steps.Add(1)) == step+2 }).Times(1))
			members = append(members, e.worker(fastConfig(), log, 0))
			cut.Wait(1)
			waitForAssignment(t, members, 2, 2)
			sent := stopLoad()
			log.wait(t, sent)
		})
	}
}

// A stop does not wait for members that never answer a notice.
func TestStopEndsRebalance(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 4)
	cfg := fastConfig()
	cfg.RebalanceAfter, cfg.RebalanceGrace, cfg.DrainTimeout = 10*time.Millisecond, 10*testTimeout, 100*time.Millisecond
	c := e.consumer(cfg)
	require.NoError(t, c.Handle(func(context.Context, *consumer.Message[string]) error { return nil }))
	start(t, c)
	eventually(t, "all partitions", func() bool { return len(c.Status().Partitions) == 4 })
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	// It gets one partition and does not know the coordination group.
	require.NoError(t, e.conn.Join(ctx, transport.Group{Stream: e.stream, Topic: "t", Name: "g"}))
	eventually(t, "the partitions to be reassigned", func() bool {
		partitions := c.Status().Partitions
		return len(partitions) == 3 && partitions[0].Leaving && partitions[1].Leaving && partitions[2].Leaving
	})
	stop(t, c)
}

// Promise 6: where its partition stays, a message that waits for redelivery is delivered when it is
// due.
func TestPromiseRetriesSurviveARebalance(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, e *transportEnv) {
		for p := range uint32(2) {
			e.send(p, "a/0", "late/0")
		}
		cfg := fastConfig()
		cfg.RebalanceGrace, cfg.DrainTimeout = time.Minute, 0
		var due sync.Map // partitions that were drained for a rebalance while their message waited
		again := make(chan int, 10)
		first := e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			if m.Value != "late/0" {
				return nil
			}
			if _, ok := due.Load(m.Partition()); ok {
				again <- m.Deliveries()
				return nil
			}
			return consumer.RetryAfter(100*time.Millisecond, errBusy)
		})
		for p := range uint32(2) {
			e.server.WaitCommitted("s", "t", "g", p, 0)
		}
		// Another member gives notice, and the member drains.
		someone := e.connect()
		notice := transport.Group{Stream: "s", Topic: "t", Name: "g.balance"}
		require.NoError(t, someone.Join(t.Context(), notice))
		e.server.WaitFor("the member to have drained", func() bool { return e.server.Members("s", "t", "g.balance") == 2 })
		for _, s := range first.Status().Partitions {
			require.True(t, s.Leaving)
			require.Equal(t, 1, s.Waiting)
			due.Store(s.ID, true)
		}
		timer := time.NewTimer(300 * time.Millisecond) // longer than the message waits
		select {
		case n := <-again:
			require.FailNow(t, "delivered while the work is down", "delivery %d", n)
		case <-timer.C:
		}
		require.NoError(t, someone.Leave(t.Context(), notice))
		for range 2 {
			require.Greater(t, received(t, "the messages to be delivered again", again), 1)
		}
		for p := range uint32(2) {
			e.server.WaitCommitted("s", "t", "g", p, 1)
		}
	})
}
