package main

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	require.Equal(t, 0.0, median(nil))
	require.Equal(t, 3.0, median([]float64{9, 1, 3}))
	require.Equal(t, 2.5, median([]float64{4, 1, 2, 3}))
}

func TestRatioIsMedianOfRatiosWithinRounds(t *testing.T) {
	t.Parallel()
	library := []sample{{rate: 10}, {rate: 100}, {rate: 30}}
	sdk := []sample{{rate: 10}, {rate: 25}, {rate: 60}}
	require.Equal(t, 1.0, ratio(library, sdk, rateOf), "not 1.2, the ratio of the medians")
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	var times []time.Duration
	for i := range 1000 {
		times = append(times, time.Duration(1000-i)) // 1 to 1,000, unsorted
	}
	require.Equal(t, time.Duration(501), percentile(times, 0.5))
	require.Equal(t, time.Duration(991), percentile(times, 0.99))
	require.Equal(t, time.Duration(1000), percentile(times, 0.999))
	require.Equal(t, time.Duration(7), percentile([]time.Duration{7, 3}, 0.999), "the maximum of few")
}

func TestCompareAlternatesContenders(t *testing.T) {
	t.Parallel()
	var order []string
	worker := func(name string) contender {
		return prepared(name, func(length time.Duration) (done, error) {
			order = append(order, name+" "+length.String())
			return done{messages: 10}, nil
		})
	}
	l := lengths{rounds: 2, warmUp: time.Microsecond, round: 2 * time.Microsecond}
	samples, err := l.compare(t.Context(), worker("a"), worker("b"))
	require.NoError(t, err)
	require.Equal(t, []string{"a 1µs", "a 2µs", "b 1µs", "b 2µs", "b 1µs", "b 2µs", "a 1µs", "a 2µs"}, order)
	require.Len(t, samples["a"], 2)
	require.Len(t, samples["b"], 2)

	broken := prepared("c", func(time.Duration) (done, error) { return done{}, errors.New("broken") })
	_, err = l.compare(t.Context(), worker("a"), broken)
	require.EqualError(t, err, "c: broken")
}

func TestMeasureCountsPerMessage(t *testing.T) {
	t.Parallel()
	kept := make([][]byte, 0, 1000)
	s, err := measure(func(length time.Duration) (done, error) {
		for range cap(kept) {
			kept = append(kept, make([]byte, 64<<10))
		}
		time.Sleep(length)
		return done{messages: 100, times: []time.Duration{1}}, nil
	}, 50*time.Millisecond)
	require.NoError(t, err)
	require.Greater(t, s.allocs, 9.9, "1,000 allocations for 100 messages")
	require.Less(t, s.rate, 2000.0, "100 messages in 50 ms at least")
	require.Greater(t, s.heap, uint64(1000*64<<10))
	require.Equal(t, []time.Duration{1}, s.times)
	require.Len(t, kept, 1000)
}

func TestUntilAllowsFirst(t *testing.T) {
	t.Parallel()
	more := until(-time.Second)
	require.True(t, more(0))
	require.False(t, more(1))
}

func TestEachRunsAFewAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		count := func(by int) {
			mu.Lock()
			defer mu.Unlock()
			running += by
			most = max(most, running)
		}
		calls := make([]bool, 20)
		err := each(len(calls), 3, func(i int) error {
			count(1)
			defer count(-1)
			calls[i] = true
			time.Sleep(time.Millisecond)
			if i == 7 {
				return errors.New("seventh")
			}
			return nil
		})
		require.EqualError(t, err, "seventh")
		require.NotContains(t, calls, false)
		require.Equal(t, 3, most)
	})
}
