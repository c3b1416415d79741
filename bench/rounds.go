package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// sample is the result of a contender in one round.
type sample struct {
	rate   float64         // messages per second
	cpu    float64         // of this process, in ns per message
	allocs float64         // of this process, per message
	heap   uint64          // the largest size, in bytes
	times  []time.Duration // of some messages or calls
}

// done is the result of a contender's work.
type done struct {
	messages int
	times    []time.Duration // of some messages or calls
}

// work processes messages for about length, or some other number of messages. It returns when the
// server has confirmed what was sent, or when everything that was read is handled. The loop with the
// SDK has committed it then, and a consumer commits the last messages later.
type work func(length time.Duration) (done, error)

// contender is one way to do the same work.
type contender struct {
	name string
	// prepare prepares a round, for example with a new topic. The work is called for the warm-up,
	// and then for the measurement.
	prepare func() (run work, end func(), err error)
}

// prepared makes a contender that needs no preparation.
func prepared(name string, run work) contender {
	return contender{name: name, prepare: func() (work, func(), error) { return run, func() {}, nil }}
}

// compare lets each contender work in each round, and returns their samples by round.
func (l lengths) compare(ctx context.Context, contenders ...contender) (map[string][]sample, error) {
	samples := map[string][]sample{}
	for round := range l.rounds {
		for i := range contenders {
			c := contenders[(i+round)%len(contenders)] // another contender is the first in each round
			s, err := l.run(c)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			samples[c.name] = append(samples[c.name], s)
		}
	}
	return samples, nil
}

// run lets a contender work for a round.
func (l lengths) run(c contender) (sample, error) {
	run, end, err := c.prepare()
	if err != nil {
		return sample{}, err
	}
	defer end()
	runtime.GC() // of the garbage of other contenders
	if l.warmUp > 0 {
		if _, err := run(l.warmUp); err != nil {
			return sample{}, err
		}
	}
	return measure(run, l.round)
}

// measure measures some work.
func measure(run work, length time.Duration) (sample, error) {
	var before, after runtime.MemStats
	heap := watchHeap()
	runtime.ReadMemStats(&before)
	started, used := time.Now(), cpuTime()
	d, err := run(length)
	elapsed, spent := time.Since(started), cpuTime()-used
	runtime.ReadMemStats(&after)
	peak := heap.stop()
	if err != nil {
		return sample{}, err
	}
	n := float64(d.messages)
	return sample{
		rate: n / elapsed.Seconds(), cpu: float64(spent) / n, allocs: float64(after.Mallocs-before.Mallocs) / n,
		heap: peak, times: d.times,
	}, nil
}

func rateOf(s sample) float64   { return s.rate }
func cpuOf(s sample) float64    { return s.cpu }
func allocsOf(s sample) float64 { return s.allocs }

// medianOf is the median of a contender's samples.
func medianOf(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return median(values)
}

// ratio is the median of the ratios of a to b in the same round.
func ratio(a, b []sample, of func(sample) float64) float64 {
	values := make([]float64, len(a))
	for i := range a {
		values[i] = of(a[i]) / of(b[i])
	}
	return median(values)
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// timesOf returns the times of all rounds.
func timesOf(samples []sample) []time.Duration {
	var all []time.Duration
	for _, s := range samples {
		all = append(all, s.times...)
	}
	return all
}

// percentile is the p-quantile of values, with p from 0 to 1. Of few values, it is the largest one.
func percentile(values []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

// each calls do for 0 to n-1, at most limit of them at a time, and returns their errors.
func each(n, limit int, do func(i int) error) error {
	errs, room := make([]error, n), make(chan struct{}, limit)
	var calls sync.WaitGroup
	for i := range n {
		room <- struct{}{}
		calls.Go(func() {
			errs[i] = do(i)
			<-room
		})
	}
	calls.Wait()
	return errors.Join(errs...)
}
