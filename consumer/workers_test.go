package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// onBoth runs a test against the embedded server in a hurry, and against a
// real one with the default configuration.
func onBoth(t *testing.T, partitions uint32, test func(t *testing.T, r *rig, cfg config.Consumer)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, newRig(t, partitions), quick())
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		r := realRig(t, partitions)
		test(t, r, config.DefaultConsumer("g"))
	})
}

func TestJoiningMemberGetsAPartitionWithoutDoubles(t *testing.T) {
	t.Parallel()
	onBoth(t, 4, func(t *testing.T, r *rig, cfg config.Consumer) {
		cfg.FairAssignment = false
		l := newLedger()
		stopLoad := r.load(4, 5*time.Millisecond)
		first := r.worker(cfg, l, time.Millisecond)
		l.wait(t, 200)
		begun := time.Now()
		second := r.worker(cfg, l, time.Millisecond)
		eventually(t, "a partition for the second member", func() bool {
			return slices.Equal(shares([]*consumer.Consumer[string]{first, second}), []int{1, 3})
		})
		t.Logf("handed over after %s", time.Since(begun))
		require.Less(t, time.Since(begun), 20*time.Second)
		l.wait(t, l.distinct()+200)
		l.wait(t, stopLoad())
		require.Zero(t, l.doubled)
		stop(t, second)
		stop(t, first)
	})
}

// settled waits until the members own the wanted numbers of partitions.
func settled(t *testing.T, members []*consumer.Consumer[string], want ...int) {
	t.Helper()
	begun := time.Now()
	eventually(t, fmt.Sprint(want), func() bool { return slices.Equal(shares(members), want) })
	t.Logf("%v after %s", want, time.Since(begun).Round(time.Millisecond))
	require.Less(t, time.Since(begun), 30*time.Second)
}

func TestWorkersShareFairlyWhileTheyComeAndGo(t *testing.T) {
	t.Parallel()
	onBoth(t, 8, func(t *testing.T, r *rig, cfg config.Consumer) {
		l := newLedger()
		stopLoad := r.load(8, 5*time.Millisecond)
		var members []*consumer.Consumer[string]
		for _, want := range [][]int{{8}, {4, 4}, {2, 3, 3}, {2, 2, 2, 2}} {
			members = append(members, r.worker(cfg, l, time.Millisecond))
			settled(t, members, want...)
			l.wait(t, l.distinct()+200)
		}
		// A rolling replacement: each old one goes when a new one has come.
		for range 4 {
			members = append(members, r.worker(cfg, l, time.Millisecond))
			settled(t, members, 1, 1, 2, 2, 2)
			stop(t, members[0])
			members = members[1:]
			settled(t, members, 2, 2, 2, 2)
			l.wait(t, l.distinct()+200)
		}
		for _, want := range [][]int{{2, 3, 3}, {4, 4}, {8}} {
			stop(t, members[0])
			members = members[1:]
			settled(t, members, want...)
			l.wait(t, l.distinct()+200)
		}
		sent := stopLoad()
		l.wait(t, sent)
		stop(t, members[0])
		t.Logf("%d messages, %d handled twice", sent, l.doubled)
		require.Zero(t, l.doubled)
		require.Zero(t, l.overlaps)
	})
}

// When another member gets partitions, those that stay may use their handlers at once, and not
// only when one of their own returns.
func TestHandlersOfLostPartitionsAreUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	for p := range uint32(2) {
		r.send(p, numbered("", 2)...)
	}
	cfg := quick()
	cfg.Concurrency, cfg.FairAssignment, cfg.DrainTimeout = 2, false, 10*time.Millisecond
	c := r.consumer(cfg)
	working := make(chan place, 4)
	require.NoError(t, c.Handle(func(ctx context.Context, m *consumer.Message[string]) error {
		working <- placeOf(m)
		<-ctx.Done()
		return ctx.Err()
	}))
	start(t, c)
	require.ElementsMatch(t, []place{{0, 0}, {1, 0}}, []place{received(t, "a handler", working), received(t, "a handler", working)})

	// Another member, which handles nothing.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, r.conn.Join(ctx, transport.Group{Stream: r.stream, Topic: "t", Name: "g"}))
	require.NoError(t, r.server.Rebalance("s", "t", "g"))
	stays := received(t, "the second message of the partition that stays", working)
	require.EqualValues(t, 1, stays.offset)
	require.Equal(t, stays.partition, c.Status().Partitions[0].ID)
}
