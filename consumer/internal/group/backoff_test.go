package group_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

var errTruncated = errors.New("the log ends before 100")

// unstable is a consumer whose partition 0 is found to be truncated by each verification, while it
// is.
func unstable(c *fakeConsumer, _ *group.Config) {
	c.verify = func(ids []uint32) (findings []group.Finding, err error) {
		for _, id := range ids {
			if id == 0 {
				findings = append(findings, group.Finding{Partition: id, Cause: errTruncated, Reached: 100, Truncated: true})
			}
		}
		return findings, nil
	}
}

// A partition that is prepared repeatedly waits longer each time. That is a problem, which is
// logged once a minute at most, and it ends when the partition holds. The others go on.
func TestPartitionThatIsPreparedRepeatedlyHasBackoff(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.cfg.ProbeInterval = 10 * time.Millisecond
		c := b.member(unstable)
		time.Sleep(150 * time.Second)
		c.mu.Lock()
		attempts := 0
		for _, claim := range c.claims {
			if claim.Partition == 0 {
				require.Equal(b.t, attempts, claim.Attempt)
				if attempts > 0 {
					require.Equal(b.t, group.Finding{Partition: 0, Cause: errTruncated, Reached: 100, Truncated: true}, claim.Finding)
				}
				attempts++
			}
		}
		c.mu.Unlock()
		require.Less(b.t, attempts, 20)
		require.Greater(b.t, attempts, 10)
		logged := b.logs.FilterMessage("partition assigned repeatedly, waiting").All()
		require.Greater(b.t, len(logged), 1, "at the beginning, and once a minute")
		for i, entry := range logged[1:] {
			require.GreaterOrEqual(b.t, entry.Time.Sub(logged[i].Time), time.Minute)
		}
		s := c.machine.Status()
		require.ErrorIs(b.t, s.Problem, errTruncated)
		require.ErrorIs(b.t, s.LastError, errTruncated)
		require.ErrorIs(b.t, s.Partitions[0].Problem, errTruncated)
		require.NoError(b.t, s.Partitions[1].Problem)
		require.Equal(b.t, group.PartitionActive, s.Partitions[1].State)
		require.True(b.t, s.Joined)

		c.mu.Lock()
		c.verify = nil
		c.mu.Unlock()
		b.eventually("it to hold", func() bool { return c.machine.Status().Problem == nil })
		require.Len(b.t, b.logs.FilterMessage("partition is stable again").All(), 1)
		b.shares(b.all, 2)
	})
}

// One reset, or two, are no problem, and are followed at once.
func TestPartitionIsTakenAgainAtOnce(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.server.append(10)
		c := b.member()
		b.handled(20)
		b.server.setStored(0, 4)
		began := time.Now()
		b.eventually("the messages after the reset", func() bool {
			again, _ := b.ledger.repeated()
			return again == 5
		})
		require.Less(b.t, time.Since(began), 200*time.Millisecond)
		require.NoError(b.t, c.machine.Status().Problem)
		require.Equal(b.t, []string{"joined[]", "assigned[0 1]", "lost[0]", "assigned[0]"}, c.told())
		time.Sleep(time.Minute)
		require.Empty(b.t, b.logs.FilterMessageSnippet("again").All())
	})
}

// What the next owner stored is no reset.
func TestOffsetThatTheNextOwnerStoredIsNoReset(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.cfg.FairAssignment = false
		b.server.append(10)
		c := b.member()
		b.handled(20)
		other := b.server.connect("other")
		c.mu.Lock()
		c.verify = func([]uint32) ([]group.Finding, error) {
			_ = other.Join(b.t.Context(), transportGroup(mainGroup))
			b.server.setStored(1, 3)
			return []group.Finding{{Partition: 1, Cause: errors.New("the offset was reset")}}, nil
		}
		c.mu.Unlock()
		b.eventually("the loss", func() bool { return len(c.owned()) == 1 })
		time.Sleep(time.Second)
		require.Equal(b.t, []string{"joined[]", "assigned[0 1]", "lost[1]"}, c.told())
	})
}

// A partition that can't be taken is tried again with backoff.
func TestPartitionThatCannotBeTakenHasBackoff(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		refused := refuse("offset", iggyerr.StatusUnauthorized)
		c := b.member(func(c *fakeConsumer, _ *group.Config) {
			c.take = func([]group.Claim) error { return refused }
		})
		time.Sleep(time.Minute)
		c.mu.Lock()
		n := len(c.claims)
		c.take = nil
		c.mu.Unlock()
		require.Less(b.t, n, 15)
		require.ErrorIs(b.t, c.machine.Status().Problem, refused)
		b.shares(b.all, 1)
		b.eventually("it to hold", func() bool { return c.machine.Status().Problem == nil })
	})
}

// A partition whose answers do not fit repeatedly, and where nothing is found, is not verified
// in a hot loop.
func TestDoubtWithoutFindingHasBackoff(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		var verified atomic.Int32
		c := b.member(func(c *fakeConsumer, cfg *group.Config) {
			cfg.ProbeInterval = time.Hour
			c.verify = func([]uint32) ([]group.Finding, error) {
				verified.Add(1)
				go c.machine.NeedsVerify(0)
				return nil, nil
			}
		})
		time.Sleep(time.Minute)
		require.Less(b.t, verified.Load(), int32(15))
		require.Greater(b.t, verified.Load(), int32(5))
		require.Error(b.t, c.machine.Status().Problem)
		require.ErrorContains(b.t, c.machine.Status().LastError, "offsets do not continue")
	})
}

// A partition that needs verification while it is being verified is verified again.
func TestVerificationNeededDuringAVerification(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		var verified atomic.Int32
		c := b.member(func(c *fakeConsumer, cfg *group.Config) {
			cfg.ProbeInterval = time.Hour
			c.verify = func([]uint32) ([]group.Finding, error) {
				if verified.Add(1) == 2 {
					c.machine.NeedsVerify(0)
					time.Sleep(time.Second) // the loop has handled it before the answer
				}
				return nil, nil
			}
		})
		time.Sleep(time.Minute)
		before := verified.Load()
		require.Equal(b.t, int32(1), before)
		c.machine.NeedsVerify(0)
		time.Sleep(time.Minute)
		require.Equal(b.t, before+2, verified.Load())
	})
}
