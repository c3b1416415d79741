package watch_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/watch"
)

const ms = time.Millisecond

// looks returns when a topic is looked at, in milliseconds after messages came, for a while.
func looks(p *watch.Pace, came time.Time, span time.Duration) (at []float64) {
	for now := came; now.Before(came.Add(span)); {
		now = now.Add(p.Wait(now))
		at = append(at, now.Sub(came).Seconds()*1000)
	}
	return at
}

// after returns the pace after these pauses between messages, and when the last one came.
func after(pauses ...time.Duration) (*watch.Pace, time.Time) {
	now := time.Unix(1000, 0)
	p := watch.NewPace(now)
	for _, pause := range pauses {
		now = now.Add(pause)
		p.Found(now)
	}
	return p, now
}

// longest returns the longest interval of looks from a time on.
func longest(at []float64, from float64) (most float64) {
	for i := 1; i < len(at); i++ {
		if at[i-1] >= from {
			most = max(most, at[i]-at[i-1])
		}
	}
	return most
}

func TestPace(t *testing.T) {
	t.Parallel()
	t.Run("without a history the interval doubles up to the longest one", func(t *testing.T) {
		t.Parallel()
		p, came := after()
		require.Equal(t, []float64{1, 2, 4, 8, 16, 32, 64, 114, 164, 214}, looks(p, came, 200*ms))
	})
	t.Run("messages are expected from three quarters of the shortest pause on", func(t *testing.T) {
		t.Parallel()
		p, came := after(200*ms, 250*ms, 240*ms)
		at := looks(p, came, 500*ms)
		require.Equal(t, []float64{1, 2, 4, 8, 16, 32, 64, 114, 150}, at[:9])
		require.InDelta(t, 50./3, longest(at, 150), 0.1)
	})
	t.Run("messages are expected until twice the longest pause", func(t *testing.T) {
		t.Parallel()
		p, came := after(200*ms, 250*ms, 240*ms)
		at := looks(p, came, time.Second)
		require.InDelta(t, 50, longest(at, 501), 0.1, "and the topic is idle then")
		i := slices.IndexFunc(at, func(at float64) bool { return at >= 500 })
		require.InDelta(t, 50./3, at[i-1]-at[i-2], 0.1)
	})
	t.Run("messages every second are noticed as soon as those every 100 ms", func(t *testing.T) {
		t.Parallel()
		for _, pause := range []time.Duration{100 * ms, 300 * ms, time.Second, 2 * time.Second} {
			p, came := after(pause, pause, pause)
			at := looks(p, came, 2*pause)
			require.Less(t, longest(at, pause.Seconds()*750), 17., "%v", pause)
			require.Less(t, float64(len(at)), 10+pause.Seconds()*2*50, "%v: and there are fewer than 50 looks a second", pause)
		}
	})
	t.Run("messages every few milliseconds are looked for every millisecond", func(t *testing.T) {
		t.Parallel()
		p, came := after(2*ms, 3*ms, ms, 2*ms)
		require.Equal(t, []float64{1, 2, 3, 4, 5, 6.25, 12.5, 25}, looks(p, came, 20*ms))
	})
	t.Run("pauses of different lengths need no more looks than a quarter of the time allows", func(t *testing.T) {
		t.Parallel()
		p, came := after(ms, 200*ms, ms, 200*ms)
		at := looks(p, came, 200*ms)
		require.Less(t, len(at), 26)
		for i := 5; i < len(at); i++ {
			require.LessOrEqual(t, at[i]-at[i-1], max(at[i-1]/4, 1)+0.001)
		}
	})
	t.Run("only the last pauses count", func(t *testing.T) {
		t.Parallel()
		p, came := after(slices.Concat([]time.Duration{time.Second}, slices.Repeat([]time.Duration{10 * ms}, 8))...)
		require.InDelta(t, 50, longest(looks(p, came, 2*time.Second), 100), 0.1)
	})
	t.Run("an idle topic has no history", func(t *testing.T) {
		t.Parallel()
		p, came := after(200*ms, 200*ms, 6*time.Second)
		require.Equal(t, []float64{1, 2, 4, 8, 16, 32, 64, 114, 164, 214}, looks(p, came, 200*ms))
	})
	t.Run("nothing is expected five seconds after the last message", func(t *testing.T) {
		t.Parallel()
		p, came := after(4*time.Second, 4*time.Second)
		at := looks(p, came, 10*time.Second)
		require.InDelta(t, 50, longest(at, 0), 0.1)
		i := slices.IndexFunc(at, func(at float64) bool { return at >= 5000 })
		require.InDelta(t, 50./3, at[i-1]-at[i-2], 0.1)
		require.InDelta(t, 50, at[i+1]-at[i], 0.1)
	})
}
