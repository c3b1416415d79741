package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// sample is the result of a contender in one round.
type sample struct {
	rate float64       // messages per second
	cpu  time.Duration // of this process, per message
}

// contender is one way to do the same work.
type contender struct {
	name string
	// prepare prepares a round, for example with a new topic. run processes n messages and waits
	// until the server has confirmed them. It is called twice.
	prepare func() (run func(n int) error, end func(), err error)
	// warmup is the fraction of n that run processes first, without measuring it.
	warmup float64
}

// compare lets each contender process n messages per round, and returns the samples of each by
// round.
func compare(ctx context.Context, rounds, n int, contenders ...contender) (map[string][]sample, error) {
	samples := map[string][]sample{}
	for round := range rounds {
		for i := range contenders {
			c := contenders[(i+round)%len(contenders)] // another contender is the first in each round
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
	runtime.GC() // of the garbage of other contenders
	if warm := int(float64(n) * c.warmup); warm > 0 {
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

// percentile is the p-quantile of values, with p from 0 to 1.
func percentile(values []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

// withSameTopic makes a contender that uses the same topic in all rounds.
func withSameTopic(name string, warmup float64, run func(n int) error) contender {
	return contender{name: name, warmup: warmup, prepare: func() (func(int) error, func(), error) { return run, func() {}, nil }}
}

// withNewTopic makes a contender that uses a new topic in each round.
func (b *bench) withNewTopic(name string, prepare func(topic string) (func(int) error, func(), error)) contender {
	return b.withNewTopicOf(name, partitions, prepare)
}

// withNewTopicOf is withNewTopic for a topic with so many partitions.
func (b *bench) withNewTopicOf(name string, partitions int, prepare func(topic string) (func(int) error, func(), error)) contender {
	return contender{name: name, warmup: 0.5, prepare: func() (func(int) error, func(), error) {
		topic, remove, err := b.newTopicWith(partitions)
		if err != nil {
			return nil, nil, err
		}
		run, end, err := prepare(topic)
		if err != nil {
			remove()
			return nil, nil, err
		}
		return run, func() { end(); remove() }, nil
	}}
}

// topicOnly is the preparation of contenders that need only a topic.
func topicOnly(run func(topic string, n int) error) func(string) (func(int) error, func(), error) {
	return func(topic string) (func(int) error, func(), error) {
		return func(n int) error { return run(topic, n) }, func() {}, nil
	}
}
