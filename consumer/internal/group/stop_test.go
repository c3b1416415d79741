package group_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

var errDeadline = errors.New("the drain timeout is over")

// holding starts a member that has handled messages 0 to 6 of each partition, of which 0 to 4 are
// committed, and holds message 7.
func (b *bubble) holding(partitions int) *fakeConsumer {
	b.server.append(20)
	c := b.member(func(c *fakeConsumer, _ *group.Config) { c.holdAt = func(at place) bool { return at.offset == 7 } })
	b.handled(7 * partitions)
	return c
}

func within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.Background(), d, errDeadline)
}

func TestStopCountsWhatIsLeft(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		c := b.holding(2)
		work, cancel := within(time.Second)
		defer cancel()
		began := time.Now()
		left := c.machine.Stop(context.Background(), work)
		require.Less(b.t, time.Since(began), 1100*time.Millisecond)
		require.Equal(b.t, 2, left.Unfinished)
		require.Zero(b.t, left.Uncommitted, "it is committed to the last moment")
		require.ErrorIs(b.t, left.Err, errDeadline)
		require.Empty(b.t, b.server.sizes(mainGroup))
		offset, _ := b.server.storedOffset(0)
		require.EqualValues(b.t, 6, offset)
		require.Contains(b.t, c.told(), "lost[0]")
	})
}

// A stop on a server that does not answer ends with its context, and counts.
func TestStopOnAServerThatHangsCountsWhatIsLeft(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		c := b.holding(1)
		b.server.setFault(func(*fakeConn, string) error { return errHang })
		work, cancel := within(100 * time.Millisecond)
		defer cancel()
		ctx, cancelAll := within(200 * time.Millisecond)
		defer cancelAll()
		left := c.machine.Stop(ctx, work)
		require.Equal(b.t, 1, left.Unfinished)
		require.Equal(b.t, 2, left.Uncommitted)
		require.ErrorIs(b.t, left.Err, errDeadline)
		require.ErrorIs(b.t, left.Err, group.ErrStopDeadline)
		c.machine.Close(iggyerr.ErrClosed)
		<-c.machine.Done()
	})
}

// What was under way when the session was lost, with none after it, is counted by the stop.
func TestStopWithoutASessionCountsWhatWasLost(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		c := b.holding(1)
		c.mu.Lock()
		c.away = make(chan struct{})
		c.mu.Unlock()
		c.cut()
		b.in(c, group.Disconnected)
		began := time.Now()
		left := b.stop(c)
		require.Zero(b.t, time.Since(began))
		require.Equal(b.t, 1, left.Unfinished)
		require.Equal(b.t, 2, left.Uncommitted)
		require.ErrorIs(b.t, left.Err, group.ErrLost)
		require.ErrorIs(b.t, left.Err, errCut)
	})
}

// The counts of a lost membership are forgotten when another one begins: what was left is delivered
// again.
func TestStopAfterAnotherSessionCountsNothing(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		c := b.holding(1)
		c.cut()
		c.mu.Lock()
		c.holdAt = nil
		c.mu.Unlock()
		b.handled(20)
		require.Equal(b.t, group.Remaining{}, b.stop(c))
	})
}

// With several stops the earliest end counts, also when the first has all the time there is.
func TestStopEndsADrainWithoutEnd(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		c := b.holding(1)
		first := make(chan group.Remaining, 1)
		go func() { first <- b.stop(c) }()
		b.in(c, group.StopDraining)
		time.Sleep(time.Minute)
		require.Equal(b.t, group.StopDraining, c.machine.Status().State)
		work, cancel := within(50 * time.Millisecond)
		defer cancel()
		began := time.Now()
		left := c.machine.Stop(context.Background(), work)
		require.Less(b.t, time.Since(began), 100*time.Millisecond)
		require.Equal(b.t, 1, left.Unfinished)
		require.Equal(b.t, left, <-first)
	})
}

// A drain keeps the connection: the group is left, and nothing is asked any more.
func TestStopKeepsTheConnection(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		c := b.member()
		b.shares(b.all, 1)
		require.Equal(b.t, group.Remaining{}, b.stop(c))
		require.NoError(b.t, c.conn.Err())
		require.Empty(b.t, b.server.sizes(mainGroup))
		require.Equal(b.t, group.Remaining{}, b.stop(c), "twice")
	})
}

func TestStopBeforeStart(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		c := b.consumer()
		require.Equal(b.t, group.Remaining{}, b.stop(c))
		c.machine.Start()
		<-c.machine.Done()
		require.Zero(b.t, b.server.calledTimes("join "+mainGroup))
		c.machine.Pause(0)
		c.machine.Resume(0)
		require.ErrorIs(b.t, c.seek(context.Background(), 0), iggyerr.ErrClosed)
	})
}

// All but one member leave at once, under load: one after another, and nothing is handled twice.
func TestMembersLeaveAtOnce(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		stopLoad := b.load()
		for range 5 {
			b.member()
		}
		b.shares(b.all, 1, 1, 2, 2, 2)
		began := time.Now()
		stopped := make(chan group.Remaining, 4)
		for _, c := range b.all[1:] {
			go func() { stopped <- b.stop(c) }()
		}
		for range 4 {
			require.Equal(b.t, group.Remaining{}, <-stopped)
		}
		require.Less(b.t, time.Since(began), 2*time.Second)
		b.shares(b.all[:1], 8)
		stopLoad()
		nothingTwice(b)
	})
}

// All members leave at once, and nobody waits for anybody to no end.
func TestAllMembersLeaveAtOnce(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		for range 3 {
			b.member()
		}
		b.shares(b.all, 1, 1, 2)
		began := time.Now()
		stopped := make(chan group.Remaining, 3)
		for _, c := range b.all {
			go func() { stopped <- b.stop(c) }()
		}
		for range 3 {
			require.Equal(b.t, group.Remaining{}, <-stopped)
		}
		require.Less(b.t, time.Since(began), time.Second)
		require.Empty(b.t, b.server.sizes(coordinationGroup))
	})
}

// A member that never drains keeps another one from leaving no longer than the grace.
func TestStopWaitsNoLongerThanTheGrace(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.cfg.RebalanceGrace = 200 * time.Millisecond
		b.server.append(20)
		for range 2 {
			b.member(func(c *fakeConsumer, _ *group.Config) { c.holdAt = func(at place) bool { return at.partition == 0 } })
		}
		b.shares(b.all, 1, 1)
		free := b.all[0]
		if free.owned()[0] == 0 {
			free = b.all[1]
		}
		began := time.Now()
		b.stop(free)
		require.Less(b.t, time.Since(began), 300*time.Millisecond)
	})
}
