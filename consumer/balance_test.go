package consumer_test

import (
	"context"
	"fmt"
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
	mainGroup   = transport.Group{Stream: "s", Topic: "t", Name: "g"}
	noticeGroup = transport.Group{Stream: "s", Topic: "t", Name: "g.balance"}
)

func TestNoticeGroupIsNamedAsTheConfigurationSays(t *testing.T) {
	t.Parallel()
	require.Equal(t, config.DefaultConsumer("g").CoordinationGroup(), "g"+config.CoordinationSuffix)
}

func TestWorkersThatStartTogetherShareFairly(t *testing.T) {
	t.Parallel()
	r := newRig(t, 8)
	l := newLedger()
	stopLoad := r.load(8, 5*time.Millisecond)
	var members []*consumer.Consumer[string]
	for range 4 {
		members = append(members, r.worker(quick(), l, time.Millisecond))
	}
	settled(t, members, 2, 2, 2, 2)
	stopped := make(chan error, 3)
	for _, c := range members[1:] {
		go func() { stopped <- c.Stop(context.Background()) }()
	}
	for range 3 {
		require.NoError(t, <-stopped)
	}
	settled(t, members[:1], 8)
	sent := stopLoad()
	l.wait(t, sent)
	stop(t, members[0])
	t.Logf("%d messages, %d handled twice", sent, l.doubled)
}

func TestForeignMemberIsWaitedForNoLongerThanTheGrace(t *testing.T) {
	t.Parallel()
	r := newRig(t, 8)
	cfg := quick()
	cfg.RebalanceGrace = 300 * time.Millisecond
	l := newLedger()
	ours := r.worker(cfg, l, 0)
	settled(t, []*consumer.Consumer[string]{ours}, 8)
	foreign := r.connect() // knows nothing of notices
	require.NoError(t, foreign.Join(context.Background(), mainGroup))
	settled(t, []*consumer.Consumer[string]{ours}, 4)
	require.NoError(t, foreign.Close())
	settled(t, []*consumer.Consumer[string]{ours}, 8)
	r.send(7, "a/0")
	l.wait(t, 1)
}

func TestNoticeOfAMemberThatDiesIsForgotten(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	l := newLedger()
	r.worker(quick(), l, 0)
	dying := r.connect()
	require.NoError(t, dying.Join(context.Background(), noticeGroup))
	eventually(t, "our sign", func() bool { return r.server.Members("s", "t", noticeGroup.Name) == 2 })
	r.send(0, "a/0")
	require.NoError(t, dying.Close())
	l.wait(t, 1)
	eventually(t, "the end of the notice", func() bool { return r.server.Members("s", "t", noticeGroup.Name) == 0 })
}

func TestNoticeOfAMemberThatHangsStopsNobodyForLong(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	cfg := quick()
	cfg.RebalanceGrace = 50 * time.Millisecond
	cfg.RebalanceAfter = 2 * time.Second // for twenty times as long it is ignored
	l := newLedger()
	r.worker(cfg, l, 0)
	hanging := r.connect()
	require.NoError(t, hanging.Join(context.Background(), noticeGroup))
	eventually(t, "our sign", func() bool { return r.server.Members("s", "t", noticeGroup.Name) == 2 })
	eventually(t, "the end of the patience", func() bool { return r.server.Members("s", "t", noticeGroup.Name) == 1 })
	for i := range 20 {
		begun := time.Now()
		r.send(0, fmt.Sprintf("a/%d", i))
		l.wait(t, i+1)
		require.Less(t, time.Since(begun), cfg.RebalanceGrace+time.Second, "nobody waits for it again")
	}
	require.Equal(t, 1, r.server.Members("s", "t", noticeGroup.Name))
}

func TestMissingNoticeGroupOnlyLeavesSharesUneven(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4)
	require.NoError(t, r.server.DeleteGroup("s", "t", noticeGroup.Name))
	cfg := quick()
	cfg.RebalanceAfter = 100 * time.Millisecond
	l := newLedger()
	members := []*consumer.Consumer[string]{r.worker(cfg, l, 0)}
	settled(t, members, 4)
	members = append(members, r.worker(cfg, l, 0))
	settled(t, members, 1, 3)
	r.send(0, "a/0")
	r.send(3, "b/0")
	l.wait(t, 2)
	r.server.CreateGroup("s", "t", noticeGroup.Name)
	settled(t, members, 2, 2)
	stop(t, members[0])
	settled(t, members[1:], 4)
}

// TestBalanceSurvivesTheDeathOfAMemberInAnyStep cuts off the connection that
// makes the nth request of those that the protocol is made of.
func TestBalanceSurvivesTheDeathOfAMemberInAnyStep(t *testing.T) {
	t.Parallel()
	for step := range 12 {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 4)
			l := newLedger()
			stopLoad := r.load(4, 5*time.Millisecond)
			members := []*consumer.Consumer[string]{r.worker(quick(), l, 0)}
			settled(t, members, 4)
			var steps atomic.Int32
			cut := r.server.Inject(iggytest.Cut().AfterEffect().On(embedded.JoinGroup, embedded.LeaveGroup, embedded.StoreOffset).
				When(func(iggytest.Request) bool { return int(steps.Add(1)) == step+2 }).Times(1))
			members = append(members, r.worker(quick(), l, 0))
			cut.Wait(1)
			settled(t, members, 2, 2)
			sent := stopLoad()
			l.wait(t, sent)
		})
	}
}

func TestHandlerThatOutlastsTheRebalanceTimeoutIsGivenUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, embedded.WithHandoverTimeout(2*time.Second))
	r.send(0, "a/0")
	r.send(1, "b/0")
	cfg := quick()
	cfg.FairAssignment = false
	cfg.RebalanceTimeout, cfg.DrainTimeout = 200*time.Millisecond, 100*time.Millisecond
	causes := make(chan error, 2)
	got := newSeen()
	c := r.consumer(cfg)
	require.NoError(t, c.Handle(func(ctx context.Context, m *consumer.Message[string]) error {
		if m.Offset() > 0 {
			return nil
		}
		got.add(m.Value)
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return ctx.Err()
	}))
	start(t, c)
	got.wait(t, 2)
	l := newLedger()
	r.worker(cfg, l, 0)
	require.ErrorIs(t, <-causes, consumer.ErrLost)
	l.wait(t, 1)
	require.Contains(t, l.times, "b/0", "the other one gets it")
}

// A stop does not wait for members that never answer a notice.
func TestStopEndsADealOfPartitions(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4)
	cfg := quick()
	cfg.RebalanceAfter, cfg.RebalanceGrace, cfg.DrainTimeout = 10*time.Millisecond, 10*patience, 100*time.Millisecond
	c := r.consumer(cfg)
	require.NoError(t, c.Handle(func(context.Context, *consumer.Message[string]) error { return nil }))
	start(t, c)
	eventually(t, "all partitions", func() bool { return len(c.Status().Partitions) == 4 })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// It gets one partition and knows of no notices.
	require.NoError(t, r.conn.Join(ctx, transport.Group{Stream: r.stream, Topic: "t", Name: "g"}))
	eventually(t, "the partitions are to be dealt", func() bool {
		partitions := c.Status().Partitions
		return len(partitions) == 3 && partitions[0].Leaving && partitions[1].Leaving && partitions[2].Leaving
	})
	stop(t, c)
}
