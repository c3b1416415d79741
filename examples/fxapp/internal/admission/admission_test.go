package admission_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/admission"
)

func begin(t *testing.T, a *admission.Admission, job, host string) *admission.Download {
	t.Helper()
	d, wait := a.Begin(job, host)
	require.NotNil(t, d, "%s from %s waits %v", job, host, wait)
	return d
}

func requireWait(t *testing.T, a *admission.Admission, job, host string, least, most time.Duration) {
	t.Helper()
	d, wait := a.Begin(job, host)
	require.Nil(t, d, "%s from %s", job, host)
	require.GreaterOrEqual(t, wait, least)
	require.LessOrEqual(t, wait, most)
}

func TestHostsAndJobsAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := admission.New(admission.Limits{PerHost: 2, PerJob: 3})
		first := begin(t, a, "j1", "slow")
		begin(t, a, "j1", "slow")
		requireWait(t, a, "j1", "slow", 1, time.Second)
		requireWait(t, a, "j2", "slow", 1, time.Second)
		begin(t, a, "j1", "other")
		requireWait(t, a, "j1", "third", 1, time.Second)
		begin(t, a, "j2", "third")
		first.End(0)
		begin(t, a, "j1", "slow")
	})
}

func TestHostThatAsksForTimeGetsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := admission.New(admission.Limits{PerHost: 10, PerJob: 10})
		early := begin(t, a, "j", "busy")
		begin(t, a, "j", "busy").End(time.Hour)
		early.End(time.Second)
		time.Sleep(time.Minute)
		requireWait(t, a, "j", "busy", 59*time.Minute, 60*time.Minute)
		begin(t, a, "j", "other").End(0)
		time.Sleep(59*time.Minute + 1)
		begin(t, a, "j", "busy")
	})
}

func TestHostRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := admission.New(admission.Limits{PerHost: 100, PerJob: 100, HostRate: 5})
		begun := map[string]int{}
		next := func(host string, until time.Time) {
			for time.Now().Before(until) {
				d, wait := a.Begin("j"+host, host)
				if d == nil {
					time.Sleep(wait)
					continue
				}
				begun[host]++
				d.End(0)
			}
		}
		next("a", time.Now().Add(10*time.Second))
		require.GreaterOrEqual(t, begun["a"], 45)
		require.LessOrEqual(t, begun["a"], 56)
		next("b", time.Now().Add(time.Second))
		require.GreaterOrEqual(t, begun["b"], 5)
	})
}

// Downloads that were put off come back spread over the time that those before them take.
func TestWaitsAreSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := admission.New(admission.Limits{PerHost: 2, PerJob: 1000})
		for range 50 { // of a second each
			d := begin(t, a, "j", "slow")
			time.Sleep(time.Second)
			d.End(0)
		}
		begin(t, a, "j", "slow")
		begin(t, a, "j", "slow")
		var waits []time.Duration
		for range 100 {
			_, wait := a.Begin("j", "slow")
			waits = append(waits, wait)
		}
		require.Less(t, waits[0], time.Second)
		require.InDelta(t, 2*time.Second, waits[3], float64(time.Second))
		for _, wait := range waits[20:] {
			require.Greater(t, wait, 3*time.Second)
			require.LessOrEqual(t, wait, 6250*time.Millisecond)
		}
	})
}

func TestIdleHostsAreForgotten(t *testing.T) {
	t.Parallel()
	a := admission.New(admission.Limits{PerHost: 1, PerJob: 100_000})
	begin(t, a, "j", "paused").End(time.Hour)
	begin(t, a, "j", "running")
	for i := range 10_000 {
		begin(t, a, fmt.Sprint("j", i), fmt.Sprint("host", i)).End(0)
	}
	require.Less(t, a.Len(), 3000)
	requireWait(t, a, "j", "paused", time.Minute, 2*time.Hour)
	requireWait(t, a, "j", "running", 1, 10*time.Second)
}
