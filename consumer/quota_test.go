package consumer_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestQuotaIsNeverExceededAndKeepsItsReserves(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 64).Draw(t, "limit")
		n := rapid.IntRange(1, 9).Draw(t, "partitions")
		q := consumer.NewQuota(limit, n)
		taken := make([]int, n)
		gone := make([]bool, n)
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				p := rapid.IntRange(0, n-1).Draw(t, "partition")
				want := rapid.IntRange(1, limit).Draw(t, "want")
				got := q.Reserve(p, want)
				require.LessOrEqual(t, got, want)
				if gone[p] {
					require.Zero(t, got)
				} else if taken[p] < q.ReservePerMember() {
					require.GreaterOrEqual(t, got, min(want, q.ReservePerMember()-taken[p]), "the reserve of partition %d", p)
				}
				taken[p] += got
			},
			"free": func(t *rapid.T) {
				p := rapid.IntRange(0, n-1).Draw(t, "partition")
				if gone[p] || taken[p] == 0 {
					t.Skip("nothing taken")
				}
				k := rapid.IntRange(1, taken[p]).Draw(t, "messages")
				q.Free(p, k)
				taken[p] -= k
			},
			"leave": func(t *rapid.T) {
				p := rapid.IntRange(0, n-1).Draw(t, "partition")
				q.Remove(p)
				taken[p], gone[p] = 0, true
			},
			"": func(t *rapid.T) {
				sum := 0
				for _, k := range taken {
					sum += k
				}
				require.LessOrEqual(t, sum, limit)
			},
		})
	})
}

func TestQuotaReturnsWaiters(t *testing.T) {
	t.Parallel()
	q := consumer.NewQuota(4, 2)
	require.Equal(t, 1, q.ReservePerMember())
	require.Equal(t, 3, q.Reserve(0, 10))
	require.Equal(t, 1, q.Reserve(1, 10))
	require.Zero(t, q.Reserve(1, 1))
	q.Free(0, 2)
	require.Equal(t, 1, q.ReleaseFree(0), "one waits")
	require.Equal(t, 2, q.Used())
	require.Zero(t, q.ReleaseFree(0), "and is told once")
	require.Equal(t, 2, q.Reserve(1, 10))
}

// A partition that finds no room and one that frees some may come at the same time: one of them
// sees the other.
func TestQuotaReturnsConcurrentWaiters(t *testing.T) {
	t.Parallel()
	for range 20_000 {
		q := consumer.NewQuota(1, 2)
		require.Equal(t, 1, q.Reserve(0, 1))
		freed := make(chan struct{})
		go func() {
			q.Settle(0)
			close(freed)
		}()
		got := q.Reserve(1, 1)
		<-freed
		if got == 0 {
			require.False(t, q.Waiting(1), "there is room, and nobody tells")
		}
	}
}

func TestOrphansCountInTheShareOfTheirPartition(t *testing.T) {
	t.Parallel()
	q := consumer.NewQuota(4, 2)
	require.Equal(t, 3, q.Reserve(0, 10))
	q.Lose(0, 3)
	q.Return(0)
	require.Zero(t, q.Reserve(0, 1), "what is left is the other's")
	require.Equal(t, 1, q.Reserve(1, 10))
	require.Zero(t, q.Reserve(1, 1))
	require.Equal(t, 2, q.EndOrphan(0), "both wait")
	q.EndOrphan(0)
	require.Equal(t, 2, q.Reserve(1, 10))
	q.EndOrphan(0)
	require.Zero(t, q.Reserve(1, 1), "it is the part of the first one")
	require.Equal(t, 1, q.Reserve(0, 10))
	require.Equal(t, 4, q.Used())
}

func TestOrphansOfOtherPartitionsCountInNoShare(t *testing.T) {
	t.Parallel()
	q := consumer.NewQuota(5, 3)
	q.Lose(2, 0)
	require.Equal(t, 4, q.Reserve(0, 10))
	q.Lose(0, 4)
	q.Return(2)
	require.Equal(t, 1, q.Reserve(2, 10), "nobody else has any, and the rest is too little to set some aside")
	require.Zero(t, q.Reserve(1, 1))
	require.Equal(t, 1, q.EndOrphan(0))
	require.Equal(t, 1, q.Reserve(1, 1))
}

func TestInFlightLimitOfOneIsFair(t *testing.T) {
	t.Parallel()
	const partitions, each = 8, 200
	e := newTestEnv(t, partitions)
	for p := range uint32(partitions) {
		e.send(p, numbered(fmt.Sprint("k", p), each)...)
	}
	cfg := fastConfig()
	cfg.MaxInFlight, cfg.Concurrency, cfg.BatchSize, cfg.MaxBufferedBytes, cfg.CommitInterval = 1, 1, 1, 1, 0
	var busy, most atomic.Int32
	got := newSeen()
	c := e.consumer(cfg)
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		if n := busy.Add(1); n > most.Load() {
			most.Store(n)
		}
		runtime.Gosched()
		busy.Add(-1)
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	texts := got.wait(t, partitions*each)
	require.Len(t, texts, partitions*each)
	require.EqualValues(t, 1, most.Load())
	first := map[string]bool{}
	for _, text := range texts[:partitions*each/2] {
		key, _, _ := strings.Cut(text, "/")
		first[key] = true
	}
	require.Len(t, first, partitions, "each is served")
	stop(t, c)
}

func TestStuckPartitionLeavesQuotaToOthers(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 4)
	for p := range uint32(4) {
		e.send(p, numbered(fmt.Sprintf("%d", p), 100)...)
	}
	cfg := fastConfig()
	cfg.MaxInFlight, cfg.Concurrency = 8, 4
	texts := topic.New("s", "t", textCodec{}) // no keys: all may run at once
	c, err := consumer.New(e.iggy, cfg, texts)
	require.NoError(t, err)
	got := newSeen()
	release := make(chan struct{})
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		if m.Partition() == 0 {
			<-release
		}
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	got.wait(t, 300)
	require.LessOrEqual(t, c.Status().InFlight, 8)
	close(release)
	got.wait(t, 400)
	stop(t, c)
}
