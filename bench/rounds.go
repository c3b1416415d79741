package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// sample is what one contender did in one round.
type sample struct {
	rate float64       // messages per second
	cpu  time.Duration // of this process, per message
}

// contender is one way to do the same work.
type contender struct {
	name string
	// prepare makes what a round needs, a new topic for example. run does n messages' worth
	// of work and waits until the server has confirmed it; it may be called again.
	prepare func() (run func(n int) error, end func(), err error)
	// warm is the part of a round's work that is done before it and does not count: what
	// is measured is the steady state, with pools and server warm.
	warm float64
}

// compete lets the contenders do n messages each, in alternating rounds, and returns each
// one's samples by round.
func compete(ctx context.Context, rounds, n int, contenders ...contender) (map[string][]sample, error) {
	samples := map[string][]sample{}
	for round := range rounds {
		for i := range contenders {
			c := contenders[(i+round)%len(contenders)] // nobody is always the first
			s, err := c.round(n)
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

func (c contender) round(n int) (sample, error) {
	run, end, err := c.prepare()
	if err != nil {
		return sample{}, err
	}
	defer end()
	runtime.GC() // of what the others left
	if warm := int(float64(n) * c.warm); warm > 0 {
		if err := run(warm); err != nil {
			return sample{}, err
		}
	}
	started, used := time.Now(), cpuTime()
	if err := run(n); err != nil {
		return sample{}, err
	}
	elapsed, spent := time.Since(started), cpuTime()-used
	return sample{rate: float64(n) / elapsed.Seconds(), cpu: spent / time.Duration(n)}, nil
}

func rateOf(s sample) float64 { return s.rate }
func cpuOf(s sample) float64  { return float64(s.cpu) }

// middle is the median of one contender's samples.
func middle(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return median(values)
}

// ratio is the median of what a did relative to b in the same round.
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

// percentile is the value that the part p, 0 to 1, of values does not exceed.
func percentile(values []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}
