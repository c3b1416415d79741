package group_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

var errSeek = errors.New("the offset cannot be read")

// to is the work of a seek to an offset.
func (c *fakeConsumer) to(id uint32, next uint64) func(context.Context, group.Session, group.Claim) error {
	return func(_ context.Context, s group.Session, claim group.Claim) error {
		c.server.setStored(id, next-1)
		c.End(id, errors.New("set to another place"))
		c.prepare(s, claim, next)
		return nil
	}
}

func TestSeekSetsAPartitionToAnotherPlace(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.server.append(10)
		c := b.member()
		require.ErrorIs(b.t, c.seek(b.t.Context(), 0), iggyerr.ErrNotOwner)
		b.handled(20)
		require.NoError(b.t, c.machine.Seek(b.t.Context(), 0, c.to(0, 7)))
		b.handled(20)
		again, _ := b.ledger.repeated()
		require.Equal(b.t, 3, again)
		require.ErrorIs(b.t, c.seek(b.t.Context(), 5), iggyerr.ErrNotOwner)
		require.Equal(b.t, []string{"joined[]", "assigned[0 1]"}, c.told(), "it was this member's all the time")
		b.stop(c)
		require.ErrorIs(b.t, c.seek(context.Background(), 0), iggyerr.ErrClosed)
	})
}

// A seek that fails leaves the partition where it is; one that fails half-way has it taken anew.
func TestSeekThatFails(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		c := b.member()
		b.shares(b.all, 1)
		require.ErrorIs(b.t, c.machine.Seek(b.t.Context(), 0, func(context.Context, group.Session, group.Claim) error { return errSeek }), errSeek)
		b.server.append(5)
		b.handled(5)
		require.Len(b.t, c.told(), 2)
		require.ErrorIs(b.t, c.machine.Seek(b.t.Context(), 0, func(context.Context, group.Session, group.Claim) error {
			c.End(0, errSeek)
			return errSeek
		}), errSeek)
		b.server.append(5)
		b.handled(10)
		require.Equal(b.t, []string{"joined[]", "assigned[0]", "lost[0]", "assigned[0]"}, c.told())
	})
}

// Seeks of one partition come one after another, and do not wait for those of another. One whose
// caller has given up before it began never happens.
func TestSeeksOfOnePartitionComeOneAfterAnother(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		c := b.member()
		b.shares(b.all, 2)
		release := make(chan struct{})
		done := make(chan string, 4)
		run := func(ctx context.Context, name string, id uint32, wait bool) {
			began := make(chan struct{})
			go func() {
				close(began)
				_ = c.machine.Seek(ctx, id, func(context.Context, group.Session, group.Claim) error {
					if wait {
						<-release
					}
					done <- name
					return errSeek
				})
			}()
			<-began
			time.Sleep(time.Millisecond)
		}
		ctx, cancel := context.WithCancel(context.Background())
		run(context.Background(), "first", 0, true)
		run(ctx, "given up", 0, false)
		run(context.Background(), "second", 0, false)
		run(context.Background(), "other", 1, false)
		require.Equal(b.t, "other", <-done)
		cancel()
		time.Sleep(time.Millisecond)
		close(release)
		require.Equal(b.t, "first", <-done)
		require.Equal(b.t, "second", <-done)
		time.Sleep(time.Second)
		require.Empty(b.t, done)
	})
}

// A seek frees its caller when its context ends, whatever the server does; and it waits for no
// survey that hangs.
func TestSeekEndsWithItsContext(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		c := b.member()
		b.shares(b.all, 1)
		b.server.setFault(func(*fakeConn, string) error { return errHang })
		time.Sleep(100 * time.Millisecond)
		ctx, cancel := within(20 * time.Millisecond)
		defer cancel()
		began := time.Now()
		require.ErrorIs(b.t, c.seek(ctx, 0), errDeadline)
		require.Equal(b.t, 20*time.Millisecond, time.Since(began))
		b.server.setFault(nil)
	})
}

// A partition that is to be handed over and is set to another place is looked at anew.
func TestSeekOfAPartitionThatDrains(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.cfg.FairAssignment = false
		b.server.append(10)
		var free atomic.Bool
		c := b.member(func(c *fakeConsumer, _ *group.Config) {
			c.holdAt = func(at place) bool { return !free.Load() && at.offset == 5 }
		})
		b.handled(10)
		b.member()
		b.eventually("it to drain", func() bool { return c.machine.Status().Partitions[1].State == group.PartitionDraining })
		free.Store(true)
		require.NoError(b.t, c.machine.Seek(b.t.Context(), 1, c.to(1, 2)))
		b.shares(b.all, 1, 1)
		b.eventually("what was sought", func() bool {
			again, _ := b.ledger.repeated()
			return again >= 3
		})
	})
}

// What is sought during a rebalance is not started before its end.
func TestSeekDuringARebalanceStartsAfterIt(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		b.server.append(10)
		c := b.member()
		b.handled(10)
		other := b.server.connect("other")
		require.NoError(b.t, other.Join(b.t.Context(), transportGroup(coordinationGroup)))
		b.in(c, group.WaitingForCoordinator)
		require.NoError(b.t, c.machine.Seek(b.t.Context(), 0, c.to(0, 5)))
		require.Equal(b.t, group.WaitingForCoordinator, c.machine.Status().State)
		time.Sleep(100 * time.Millisecond)
		again, _ := b.ledger.repeated()
		require.Zero(b.t, again)
		other.cut()
		b.eventually("what was sought", func() bool {
			again, _ := b.ledger.repeated()
			return again == 5
		})
	})
}

func TestPauseOutlivesAssignments(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		c := b.consumer()
		c.machine.Pause(0)
		c.machine.Start()
		b.shares(b.all, 2)
		b.server.append(5)
		b.handled(5)
		require.True(b.t, c.machine.Status().Partitions[0].Paused)
		c.cut()
		time.Sleep(time.Nanosecond)
		b.shares(b.all, 2)
		b.handled(5)
		c.machine.Resume(0)
		require.False(b.t, c.machine.Status().Partitions[0].Paused)
		b.handled(10)
		c.machine.Pause(1)
		b.server.append(5)
		b.handled(15)
		nothingTwice(b)
	})
}
