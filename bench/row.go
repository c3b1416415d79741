package main

import (
	"context"
	"regexp"
	"slices"
	"time"
)

// The groups of rows.
const (
	groupDefaults = "defaults" // nothing is set but the group
	groupTuned    = "tuned"    // the settings that differ from the defaults are in the row
	groupGrowth   = "growth"   // the workload differs: partitions, payload, distance and so on
)

// The tables of a group.
const (
	tableSend       = "send"
	tableConsume    = "consume"
	tableCompressed = "compressed"
	tableLatency    = "latency and idle"
	tableMemory     = "memory"
)

// row is one line of a table.
type row struct {
	group, table string
	name         string
	// settings lists the settings that differ from the defaults.
	settings string
	// measure returns the cells of the row.
	measure func(context.Context, *bench) (cells, error)
}

// id names the row for -only, in goals and in the JSON output.
func (r row) id() string { return r.group + "/" + r.table + "/" + r.name }

// allRows returns the rows in the order in which they are measured and printed.
func allRows() []row { return slices.Concat(defaultsRows(), tunedRows(), growthRows()) }

// selectRows returns the rows of a group, or of all groups, that match.
func selectRows(rows []row, group string, only *regexp.Regexp) []row {
	return slices.DeleteFunc(slices.Clone(rows), func(r row) bool {
		return group != "" && r.group != group || only != nil && !only.MatchString(r.id())
	})
}

// cells are the values of a row, by column.
type cells map[column]float64

// addTimes adds the percentiles of the library's times.
func (c cells) addTimes(times []time.Duration) {
	if len(times) > 0 {
		c[p50], c[p99] = float64(percentile(times, 0.5)), float64(percentile(times, 0.99))
	}
}

// addLoad adds what the samples of the library show, and how they compare to the other contenders.
// base is the size of the heap without the library.
func (c cells) addLoad(samples map[string][]sample, base uint64) {
	library := samples[contenderLibrary]
	c[rate], c[cpu], c[allocs] = medianOf(library, rateOf), medianOf(library, cpuOf), medianOf(library, allocsOf)
	// In the first round, the library came first: the others had not made garbage yet.
	c[heapPeak] = above(library[0].heap, base)
	c.addTimes(timesOf(library))
	if sdk := samples[contenderSDK]; len(sdk) > 0 {
		c[sdkRate], c[sdkCPU] = medianOf(sdk, rateOf), medianOf(sdk, cpuOf)
		c[vsSDK], c[cpuVsSDK] = ratio(library, sdk, rateOf), ratio(library, sdk, cpuOf)
		if times := timesOf(sdk); len(times) > 0 {
			c[sdkP50], c[sdkP99] = float64(percentile(times, 0.5)), float64(percentile(times, 0.99))
			c[p50VsSDK] = c[p50] / c[sdkP50]
		}
	}
	for name, columns := range map[string][2]column{
		contenderFrames:   {vsFrames, framesRate},
		contenderOneFrame: {vsOneFrame, oneFrameRate},
		contenderRaw:      {vsRaw, rawRate},
		contenderDefaults: {vsDefaults, defaultsRate},
	} {
		if other := samples[name]; len(other) > 0 {
			c[columns[0]], c[columns[1]] = ratio(library, other, rateOf), medianOf(other, rateOf)
		}
	}
}

// The contenders.
const (
	contenderLibrary  = "library"
	contenderSDK      = "sdk"                 // a loop with the SDK over one connection
	contenderFrames   = "frames"              // requests that are encoded beforehand
	contenderOneFrame = "frames, 1 in flight" // the same with one request at a time
	contenderRaw      = "raw"                 // SendAsync in place of a Publisher
	contenderDefaults = "defaults"            // the library with its defaults
)
