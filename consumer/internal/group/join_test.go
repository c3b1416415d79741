package group_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// A group that can't be joined is tried again with backoff. It is logged when that begins, once a
// minute while it lasts, and when it ends; the status says why meanwhile.
func TestJoinIsTriedAgainWithBackoff(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.server.deleteGroup(mainGroup)
		c := b.member()
		time.Sleep(150 * time.Second)
		tries := b.server.calledTimes("join " + mainGroup)
		require.Less(b.t, tries, 50)
		require.Greater(b.t, tries, 25)
		require.Len(b.t, b.logs.FilterMessageSnippet("joining the group failed").All(), 3, "at the beginning, and once a minute")
		s := c.machine.Status()
		require.False(b.t, s.Joined)
		require.Equal(b.t, group.Joining, s.State)
		require.ErrorIs(b.t, s.Problem, iggyerr.ErrNotFound)
		require.ErrorIs(b.t, s.LastError, iggyerr.ErrNotFound)
		b.server.createGroup(mainGroup)
		b.shares(b.all, 2)
		s = c.machine.Status()
		require.True(b.t, s.Joined)
		require.NoError(b.t, s.Problem)
		require.Len(b.t, b.logs.FilterMessage("group joined again").All(), 1)
		require.Empty(b.t, b.logs.FilterMessage("group joined").All())
	})
}

// A server that forgets the member again and again is not asked in a hot loop, and not complained
// about at each try.
func TestRepeatedEvictionHasBackoff(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.server.setFault(func(_ *fakeConn, op string) error {
			if op == "poll" || op == "members "+mainGroup {
				return refuse(op, iggyerr.StatusNotMember)
			}
			return nil
		})
		c := b.member()
		time.Sleep(150 * time.Second)
		require.Less(b.t, b.server.calledTimes("join "+mainGroup), 50)
		require.Len(b.t, b.logs.FilterMessageSnippet("joining again").All(), 3)
		require.LessOrEqual(b.t, b.logs.FilterMessageSnippet("group joined").Len(), 1)
		require.ErrorIs(b.t, c.machine.Status().Problem, iggyerr.ErrNotMember)
		b.server.setFault(nil)
		b.shares(b.all, 2)
		require.NoError(b.t, c.machine.Status().Problem)
	})
}

// One eviction is mended at once.
func TestEvictedMemberJoinsAgainAtOnce(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		c := b.member()
		b.shares(b.all, 2)
		b.server.loseGroup(mainGroup)
		began := time.Now()
		b.eventually("the loss", func() bool { return len(c.owned()) == 0 })
		b.shares(b.all, 2)
		require.Less(b.t, time.Since(began), 200*time.Millisecond)
		require.Equal(b.t, []string{"joined[]", "assigned[0 1]", "lost[0]", "lost[1]", "left[]", "joined[]", "assigned[0 1]"}, c.told())
	})
}

// The end of a session loses all partitions at once, also while requests are under way, and the
// next session begins when these have ended.
func TestSessionThatEndsLosesAllPartitionsAtOnce(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		c := b.member()
		b.shares(b.all, 4)
		b.server.setFault(func(*fakeConn, string) error { return errHang })
		time.Sleep(100 * time.Millisecond)
		c.cut()
		time.Sleep(time.Nanosecond)
		s := c.machine.Status()
		require.Empty(b.t, s.Partitions)
		require.False(b.t, s.Joined)
		require.Equal(b.t, group.Disconnected, s.State)
		b.server.setFault(nil)
		b.shares(b.all, 4)
	})
}

// A machine ends when there will be no session any more.
func TestEndOfSessionsEndsTheMachine(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		c := b.consumer()
		machine := group.New(b.cfg, group.Dependencies{
			Sessions:   func(context.Context) (group.Session, error) { return nil, iggyerr.ErrClosed },
			Partitions: c,
		})
		machine.Start()
		<-machine.Done()
		require.ErrorIs(b.t, machine.Status().LastError, iggyerr.ErrClosed)
	})
}

// A stop while the answer to a join is missing leaves what was perhaps joined.
func TestStopWhileJoiningLeaves(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		joined := make(chan struct{})
		b.server.setFault(func(c *fakeConn, op string) error {
			if op != "join "+mainGroup {
				return nil
			}
			c.server.groups[mainGroup].join(c, 1)
			close(joined)
			return errHang
		})
		c := b.member()
		<-joined
		began := time.Now()
		require.Equal(b.t, group.Remaining{}, b.stop(c))
		require.Less(b.t, time.Since(began), 10*time.Millisecond)
		require.Empty(b.t, b.server.sizes(mainGroup))
	})
}

// A rotation that jumps, as the server's does when its metadata changes, hides no partition.
func TestSurveyFindsAllPartitions(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		n := 0
		b.server.setFault(func(c *fakeConn, op string) error {
			if m := c.server.groups[mainGroup].find(c); op == "poll" && m != nil {
				if n++; n <= 6 && n%2 == 0 {
					m.next = 0
				}
			}
			return nil
		})
		b.cfg.ProbeInterval = time.Minute
		c := b.member()
		b.eventually("all", func() bool { return len(c.owned()) == 8 })
	})
}

// A member that owns nothing is answered like the owner of an empty partition 0.
func TestMemberWithoutPartitionsOwnsNothing(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		b.member()
		b.shares(b.all, 1)
		second := b.member()
		b.in(second, group.Active)
		for range 100 {
			time.Sleep(20 * time.Millisecond)
			require.Empty(b.t, second.machine.Status().Partitions)
		}
		b.shares(b.all, 0, 1)
	})
}

// While nothing changes, surveys ask for the members only; now and then partitions are learned all
// the same.
func TestSurveysSkipLearningWhileNothingChanges(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		b.cfg.FairAssignment, b.cfg.ProbeInterval = false, time.Second
		b.member(func(c *fakeConsumer, _ *group.Config) {
			c.idle = time.Hour
			c.verify = func([]uint32) ([]group.Finding, error) { return nil, nil }
		})
		time.Sleep(3500 * time.Millisecond)
		polls, members := b.server.calledTimes("poll"), b.server.calledTimes("members "+mainGroup)
		time.Sleep(22 * time.Second)
		require.Equal(b.t, 22, b.server.calledTimes("members "+mainGroup)-members)
		require.Less(b.t, b.server.calledTimes("poll")-polls, 2*30, "twice in 22 surveys")
		require.Positive(b.t, b.server.calledTimes("poll")-polls)
	})
}
