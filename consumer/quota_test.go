package consumer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

func TestWindowIsNeverExceededAndLeavesEachItsPart(t *testing.T) {
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

func TestWindowTellsThoseThatWait(t *testing.T) {
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

func TestAheadKeepsToItsLimitsButForOneMessageEach(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const messages, bytes = 20, 1000
		n := rapid.IntRange(1, 5).Draw(t, "partitions")
		l := consumer.NewPrefetch(messages, bytes, n)
		held := make([]int, n)
		heldMessages := make([]int, n)
		t.Repeat(map[string]func(*rapid.T){
			"poll": func(t *rapid.T) {
				p := rapid.IntRange(0, n-1).Draw(t, "partition")
				gotMessages, gotBytes := l.Reserve(p, rapid.IntRange(1, 30).Draw(t, "messages"), rapid.IntRange(1, 2000).Draw(t, "bytes"))
				require.Equal(t, gotMessages == 0, gotBytes == 0)
				if held[p] == 0 && heldMessages[p] == 0 {
					require.Positive(t, gotMessages, "one that holds nothing may go on")
				}
				if gotMessages == 0 {
					return
				}
				came := rapid.IntRange(0, gotBytes).Draw(t, "came")
				l.Adjust(p, gotMessages, gotBytes, gotMessages, came)
				held[p] += came
				heldMessages[p] += gotMessages
			},
			"give": func(t *rapid.T) {
				p := rapid.IntRange(0, n-1).Draw(t, "partition")
				l.Release(p, heldMessages[p], held[p])
				held[p], heldMessages[p] = 0, 0
			},
			"": func(t *rapid.T) {
				sum, sumMessages := 0, 0
				for i := range held {
					sum, sumMessages = sum+held[i], sumMessages+heldMessages[i]
				}
				usedMessages, usedBytes := l.Used()
				require.Equal(t, sumMessages, usedMessages)
				require.Equal(t, sum, usedBytes)
				require.LessOrEqual(t, usedMessages, messages+n)
				require.LessOrEqual(t, usedBytes, bytes+n)
			},
		})
	})
}

func TestRedeliveryDelayGrowsToItsCeiling(t *testing.T) {
	t.Parallel()
	ms := time.Millisecond
	var got []time.Duration
	for n := 1; n <= 5; n++ {
		got = append(got, consumer.RedeliveryDelay(10*ms, 60*ms, 0, n))
	}
	require.Equal(t, []time.Duration{10 * ms, 20 * ms, 40 * ms, 60 * ms, 60 * ms}, got)
	rapid.Check(t, func(t *rapid.T) {
		d := consumer.RedeliveryDelay(100*ms, time.Second, 0.2, rapid.IntRange(1, 1_000_000).Draw(t, "deliveries"))
		require.GreaterOrEqual(t, d, 80*ms)
		require.LessOrEqual(t, d, 1200*ms)
	})
}

// The one who finds no room and the one who frees some may come at the same time: one of them sees the other.
func TestWindowTellsThoseThatBeginToWait(t *testing.T) {
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

func TestGhostsAreInTheirPartitionsPartOfTheWindow(t *testing.T) {
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

func TestGhostsOfPartitionsElsewhereAreNobodysPart(t *testing.T) {
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
