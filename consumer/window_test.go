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
		w := consumer.NewWindow(limit, n)
		taken := make([]int, n)
		gone := make([]bool, n)
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				p := rapid.IntRange(0, n-1).Draw(t, "partition")
				want := rapid.IntRange(1, limit).Draw(t, "want")
				got := w.Take(p, want)
				require.LessOrEqual(t, got, want)
				if gone[p] {
					require.Zero(t, got)
				} else if taken[p] < w.Reserve() {
					require.GreaterOrEqual(t, got, min(want, w.Reserve()-taken[p]), "the reserve of partition %d", p)
				}
				taken[p] += got
			},
			"free": func(t *rapid.T) {
				p := rapid.IntRange(0, n-1).Draw(t, "partition")
				if gone[p] || taken[p] == 0 {
					t.Skip("nothing taken")
				}
				k := rapid.IntRange(1, taken[p]).Draw(t, "messages")
				w.Free(p, k)
				taken[p] -= k
			},
			"leave": func(t *rapid.T) {
				p := rapid.IntRange(0, n-1).Draw(t, "partition")
				w.Leave(p)
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
	w := consumer.NewWindow(4, 2)
	require.Equal(t, 1, w.Reserve())
	require.Equal(t, 3, w.Take(0, 10))
	require.Equal(t, 1, w.Take(1, 10))
	require.Zero(t, w.Take(1, 1))
	w.Free(0, 2)
	require.Equal(t, 1, w.Give(0), "one waits")
	require.Equal(t, 2, w.Used())
	require.Zero(t, w.Give(0), "and is told once")
	require.Equal(t, 2, w.Take(1, 10))
}

func TestAheadKeepsToItsLimitsButForOneMessageEach(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const messages, bytes = 20, 1000
		n := rapid.IntRange(1, 5).Draw(t, "partitions")
		a := consumer.NewAhead(messages, bytes, n)
		held := make([]int, n)
		heldMessages := make([]int, n)
		t.Repeat(map[string]func(*rapid.T){
			"poll": func(t *rapid.T) {
				p := rapid.IntRange(0, n-1).Draw(t, "partition")
				gotMessages, gotBytes := a.Take(p, rapid.IntRange(1, 30).Draw(t, "messages"), rapid.IntRange(1, 2000).Draw(t, "bytes"))
				require.Equal(t, gotMessages == 0, gotBytes == 0)
				if held[p] == 0 && heldMessages[p] == 0 {
					require.Positive(t, gotMessages, "one that holds nothing may go on")
				}
				if gotMessages == 0 {
					return
				}
				came := rapid.IntRange(0, gotBytes).Draw(t, "came")
				a.Settle(p, gotMessages, gotBytes, gotMessages, came)
				held[p] += came
				heldMessages[p] += gotMessages
			},
			"give": func(t *rapid.T) {
				p := rapid.IntRange(0, n-1).Draw(t, "partition")
				a.Give(p, heldMessages[p], held[p])
				held[p], heldMessages[p] = 0, 0
			},
			"": func(t *rapid.T) {
				sum, sumMessages := 0, 0
				for i := range held {
					sum, sumMessages = sum+held[i], sumMessages+heldMessages[i]
				}
				usedMessages, usedBytes := a.Used()
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
		w := consumer.NewWindow(1, 2)
		require.Equal(t, 1, w.Take(0, 1))
		freed := make(chan struct{})
		go func() {
			w.Settle(0)
			close(freed)
		}()
		got := w.Take(1, 1)
		<-freed
		if got == 0 {
			require.False(t, w.Starving(1), "there is room, and nobody tells")
		}
	}
}

func TestGhostsAreInTheirPartitionsPartOfTheWindow(t *testing.T) {
	t.Parallel()
	w := consumer.NewWindow(4, 2)
	require.Equal(t, 3, w.Take(0, 10))
	w.Lose(0, 3)
	w.Return(0)
	require.Zero(t, w.Take(0, 1), "what is left is the other's")
	require.Equal(t, 1, w.Take(1, 10))
	require.Zero(t, w.Take(1, 1))
	require.Equal(t, 2, w.Dispel(0), "both wait")
	w.Dispel(0)
	require.Equal(t, 2, w.Take(1, 10))
	w.Dispel(0)
	require.Zero(t, w.Take(1, 1), "it is the part of the first one")
	require.Equal(t, 1, w.Take(0, 10))
	require.Equal(t, 4, w.Used())
}

func TestGhostsOfPartitionsElsewhereAreNobodysPart(t *testing.T) {
	t.Parallel()
	w := consumer.NewWindow(5, 3)
	w.Lose(2, 0)
	require.Equal(t, 4, w.Take(0, 10))
	w.Lose(0, 4)
	w.Return(2)
	require.Equal(t, 1, w.Take(2, 10), "nobody else has any, and the rest is too little to set some aside")
	require.Zero(t, w.Take(1, 1))
	require.Equal(t, 1, w.Dispel(0))
	require.Equal(t, 1, w.Take(1, 1))
}
