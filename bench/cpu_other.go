//go:build !unix

package main

import (
	"runtime/metrics"
	"time"
)

// cpuTime is the CPU time that this process has used so far, as the Go runtime estimates it:
// outside of Unix there is nothing better in the standard library.
func cpuTime() time.Duration {
	samples := []metrics.Sample{{Name: "/cpu/classes/total:cpu-seconds"}, {Name: "/cpu/classes/idle:cpu-seconds"}}
	metrics.Read(samples)
	return time.Duration((samples[0].Value.Float64() - samples[1].Value.Float64()) * float64(time.Second))
}
