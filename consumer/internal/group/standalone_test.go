package group_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

func alone(partitions ...uint32) func(*fakeConsumer, *group.Config) {
	return func(c *fakeConsumer, cfg *group.Config) {
		c.alone = true
		cfg.Consumer.Group, cfg.Consumer.Name, cfg.Partitions = false, "reader", partitions
	}
}

// A standalone consumer reads all partitions, also those that are added, and loses those that are
// removed. It asks for no group.
func TestStandaloneReadsAllPartitions(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.server.append(5)
		c := b.member(alone())
		b.handled(10)
		b.server.mu.Lock()
		b.server.ends = append(b.server.ends, 5)
		b.server.mu.Unlock()
		b.handled(15)
		b.server.mu.Lock()
		b.server.ends = b.server.ends[:1]
		b.server.mu.Unlock()
		b.shares(b.all, 1)
		require.True(b.t, c.machine.Status().Joined)
		require.Equal(b.t, group.Remaining{}, b.stop(c))
		require.Equal(b.t, []string{"joined[]", "assigned[0 1]", "assigned[2]", "lost[1]", "lost[2]", "revoked[0]", "left[]"}, c.told())
		for _, op := range []string{"join g", "leave g", "members g", "members g.balance", "owns"} {
			require.Zero(b.t, b.server.calledTimes(op), op)
		}
		nothingTwice(b)
	})
}

func TestStandaloneReadsChosenPartitions(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		c := b.member(alone(1, 7))
		b.shares(b.all, 1)
		require.Equal(b.t, []uint32{1}, c.owned())
		require.ErrorIs(b.t, c.machine.Status().LastError, iggyerr.ErrNotFound)
		require.ErrorIs(b.t, c.machine.Status().Problem, iggyerr.ErrNotFound)
		c.cut()
		time.Sleep(time.Nanosecond)
		require.Empty(b.t, c.owned())
		b.shares(b.all, 1)
	})
}
