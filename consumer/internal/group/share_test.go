package group_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
)

func TestFirstMemberGetsEverything(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		stop := b.load()
		c := b.member()
		b.shares(b.all, 4)
		stop()
		require.Equal(b.t, group.Remaining{}, b.stop(c))
		again, overlap := b.ledger.repeated()
		require.Zero(b.t, again)
		require.Zero(b.t, overlap)
		require.Equal(b.t, []string{"joined[]", "assigned[0 1 2 3]", "revoked[0]", "revoked[1]", "revoked[2]", "revoked[3]", "left[]"}, c.told())
		require.Empty(b.t, b.server.sizes(mainGroup))
		require.Empty(b.t, b.server.sizes(coordinationGroup))
		for id := range uint32(4) {
			offset, ok := b.server.storedOffset(id)
			require.True(b.t, ok)
			require.Equal(b.t, b.server.ends[id]-1, offset)
		}
	})
}

// 8 partitions, 1-4-1 members under load: shares are even, and nothing is handled twice.
func TestMembersThatComeAndGoShareEvenly(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		stop := b.load()
		first := b.member()
		b.shares(b.all, 8)
		for range 3 {
			b.member()
		}
		b.shares(b.all, 2, 2, 2, 2)
		for _, c := range b.all[1:] {
			go b.stop(c)
		}
		b.shares([]*fakeConsumer{first}, 8)
		stop()
		b.stop(first)
		again, overlap := b.ledger.repeated()
		require.Zero(b.t, again)
		require.Zero(b.t, overlap)
	})
}

func TestMembersThatStartTogetherShareEvenly(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		stop := b.load()
		for range 4 {
			b.member()
		}
		b.shares(b.all, 2, 2, 2, 2)
		stop()
	})
}

// All members are replaced, one after another, and nothing is handled twice.
func TestRollingReplacement(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		stop := b.load()
		for range 3 {
			b.member()
		}
		b.shares(b.all, 2, 3, 3)
		for i := range 6 {
			b.member()
			require.Equal(b.t, group.Remaining{}, b.stop(b.all[i]))
			b.shares(b.all[i+1:], 2, 3, 3)
		}
		stop()
		again, overlap := b.ledger.repeated()
		require.Zero(b.t, again)
		require.Zero(b.t, overlap)
	})
}

// Without fair assignment a partition is handed over, and that is all.
func TestOnePartitionIsHandedOverToAMemberThatJoins(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		b.cfg.FairAssignment = false
		b.server.append(100)
		first := b.member(func(c *fakeConsumer, _ *group.Config) { c.work = 50 * time.Millisecond })
		b.shares(b.all, 4)
		b.handled(40)
		b.member()
		b.shares(b.all, 1, 3)
		require.Contains(b.t, first.told(), "revoked[3]")
		b.handled(400)
		again, overlap := b.ledger.repeated()
		require.Zero(b.t, again)
		require.Zero(b.t, overlap)
	})
}

// A member that knows nothing of coordination groups is waited for no longer than the grace.
func TestForeignMemberIsWaitedForNoLongerThanTheGrace(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		b.cfg.RebalanceGrace = 300 * time.Millisecond
		ours := b.member()
		b.shares(b.all, 8)
		foreign := b.server.connect("foreign")
		require.NoError(b.t, foreign.Join(b.t.Context(), transportGroup(mainGroup)))
		b.shares([]*fakeConsumer{ours}, 4)
		foreign.cut()
		b.shares([]*fakeConsumer{ours}, 8)
	})
}

// A member that announces a rebalance and hangs stops nobody for long, nor twice.
func TestMemberThatHangsStopsNobodyForLong(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.cfg.RebalanceGrace, b.cfg.RebalanceAfter = 50*time.Millisecond, time.Minute
		c := b.member()
		b.shares(b.all, 2)
		hanging := b.server.connect("hanging")
		require.NoError(b.t, hanging.Join(b.t.Context(), transportGroup(coordinationGroup)))
		b.in(c, group.WaitingForCoordinator)
		began := time.Now()
		b.in(c, group.Active)
		require.Less(b.t, time.Since(began), 1200*time.Millisecond)
		require.Len(b.t, b.logs.FilterMessageSnippet("does nothing").All(), 1)
		for range 100 {
			time.Sleep(20 * time.Millisecond)
			require.Equal(b.t, group.Active, c.machine.Status().State)
		}
		hanging.cut()
	})
}

// A participant goes on when the member that announced a rebalance ends.
func TestRebalanceEndsWithItsCoordinator(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		c := b.member()
		b.shares(b.all, 2)
		dying := b.server.connect("dying")
		require.NoError(b.t, dying.Join(b.t.Context(), transportGroup(coordinationGroup)))
		b.in(c, group.WaitingForCoordinator)
		dying.cut()
		b.in(c, group.Active)
		require.Empty(b.t, b.server.sizes(coordinationGroup))
	})
}

// Without the coordination group shares stay unequal, which is logged once; with it they become
// even.
func TestMissingCoordinationGroupOnlyLeavesSharesUneven(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		b.server.deleteGroup(coordinationGroup)
		b.cfg.RebalanceAfter = 100 * time.Millisecond
		stop := b.load()
		first := b.member()
		b.shares(b.all, 4)
		second := b.member()
		b.shares(b.all, 1, 3)
		time.Sleep(10 * time.Second)
		b.shares(b.all, 1, 3)
		require.Len(b.t, b.logs.FilterMessageSnippet("coordination group does not exist").All(), 2, "once by each")
		require.NoError(b.t, first.machine.Status().Problem)
		b.server.createGroup(coordinationGroup)
		b.shares(b.all, 2, 2)
		b.stop(first)
		b.shares([]*fakeConsumer{second}, 4)
		stop()
		again, _ := b.ledger.repeated()
		require.Zero(b.t, again)
	})
}

// A message that outlasts the rebalance timeout is given up, and the next owner gets it.
func TestMessageThatOutlastsTheRebalanceTimeoutIsGivenUp(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.cfg.FairAssignment, b.cfg.RebalanceTimeout = false, 300*time.Millisecond
		b.server.append(10)
		c := b.member(func(c *fakeConsumer, _ *group.Config) {
			c.holdAt = func(at place) bool { return at.offset == 5 }
		})
		b.handled(10)
		began := time.Now()
		b.member()
		b.shares(b.all, 1, 1)
		require.Greater(b.t, time.Since(began), 300*time.Millisecond)
		require.Contains(b.t, c.told(), "lost[1]")
		b.eventually("the others", func() bool { return b.ledger.distinct() == 15 })
		again, overlap := b.ledger.repeated()
		require.Zero(b.t, again)
		require.Zero(b.t, overlap)
	})
}

// A partition whose time for the handover passed and that stays after all is taken anew.
func TestPartitionThatStaysAfterItsTimeGoesOn(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.cfg.FairAssignment, b.cfg.RebalanceTimeout = false, 100*time.Millisecond
		b.server.append(10)
		release := make(chan struct{})
		c := b.member(func(c *fakeConsumer, _ *group.Config) {
			c.holdAt = func(at place) bool {
				select {
				case <-release:
					return false
				default:
					return at == place{1, 5}
				}
			}
		})
		b.handled(15)
		// It can't be committed, and so not be handed over.
		b.server.setFault(func(conn *fakeConn, op string) error {
			if conn.name == c.name && op == "store" {
				return refuse("store", 41)
			}
			return nil
		})
		foreign := b.server.connect("foreign")
		require.NoError(b.t, foreign.Join(b.t.Context(), transportGroup(mainGroup)))
		b.eventually("the time to pass", func() bool {
			return len(b.logs.FilterMessageSnippet("handover failed").All()) > 1
		})
		close(release)
		b.server.setFault(nil)
		require.NoError(b.t, foreign.Leave(b.t.Context(), transportGroup(mainGroup)))
		b.shares(b.all, 2)
		b.eventually("the rest", func() bool { return b.ledger.distinct() == 20 })
	})
}

// A partition that is missing and stays after all goes on without having been lost.
func TestPartitionThatStaysIsNotLost(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.cfg.FairAssignment = false
		b.server.append(10)
		c := b.member(func(c *fakeConsumer, _ *group.Config) {
			c.holdAt = func(at place) bool { return at.offset == 5 }
		})
		b.handled(10)
		foreign := b.server.connect("foreign")
		require.NoError(b.t, foreign.Join(b.t.Context(), transportGroup(mainGroup)))
		b.eventually("it to drain", func() bool {
			p := c.machine.Status().Partitions
			return len(p) == 2 && p[1].State == group.PartitionDraining
		})
		require.NoError(b.t, foreign.Leave(b.t.Context(), transportGroup(mainGroup)))
		b.shares(b.all, 2)
		require.Equal(b.t, []string{"joined[]", "assigned[0 1]"}, c.told())
	})
}

// What was fetched and not handled is not committed when a partition is handed over.
func TestHandOverCommitsNothingUnhandled(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.cfg.FairAssignment, b.cfg.RebalanceTimeout = false, 10*time.Second
		b.server.append(10)
		c := b.member(func(c *fakeConsumer, _ *group.Config) {
			c.work = 100 * time.Millisecond
		})
		b.handled(2)
		b.member()
		b.shares(b.all, 1, 1)
		require.Contains(b.t, c.told(), "revoked[1]")
		b.eventually("everything", func() bool { return b.ledger.distinct() == 20 })
		again, overlap := b.ledger.repeated()
		require.Zero(b.t, again)
		require.Zero(b.t, overlap)
	})
}

// A member that is alone in its group reads the coordination group once in each probe interval, and
// the members of a larger group three times.
func TestCoordinationGroupIsReadOftenByLargerGroups(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		reads := func() float64 {
			b.server.mu.Lock()
			before := b.server.calls["members "+coordinationGroup]
			b.server.mu.Unlock()
			time.Sleep(6 * time.Second) // 100 probe intervals
			b.server.mu.Lock()
			defer b.server.mu.Unlock()
			return float64(b.server.calls["members "+coordinationGroup] - before)
		}
		b.member()
		b.shares(b.all, 4)
		require.InDelta(b.t, 100, reads(), 15)
		b.member()
		b.shares(b.all, 2, 2)
		require.InDelta(b.t, 600, reads(), 60)
	})
}
