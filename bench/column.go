package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// column is a column of the tables, and the name of its values in the JSON output.
type column string

const (
	rate     column = "rate"
	cpu      column = "cpu_ns"
	allocs   column = "allocs"
	heapPeak column = "heap_peak_bytes"
	liveHeap column = "live_heap_bytes"
	p50      column = "p50_ns"
	p99      column = "p99_ns"
	p999     column = "p99_9_ns"
	core     column = "core_percent"
	buffered column = "buffered_bytes"
	limit    column = "limit_bytes"

	vsSDK           column = "to_sdk"
	vsFrames        column = "to_frames"
	vsOneFrame      column = "to_frames_1_in_flight"
	vsRaw           column = "to_raw"
	vsDefaults      column = "to_defaults"
	vsCodec         column = "cpu_to_codec"
	cpuVsSDK        column = "cpu_to_sdk"
	p50VsSDK        column = "p50_to_sdk"
	heapVsLimit     column = "heap_to_limit"
	bufferedVsLimit column = "buffered_to_limit"

	sdkRate  column = "sdk_rate"
	sdkCPU   column = "sdk_cpu_ns"
	sdkP50   column = "sdk_p50_ns"
	sdkP99   column = "sdk_p99_ns"
	sdkP999  column = "sdk_p99_9_ns"
	sdkCore  column = "sdk_core_percent"
	codecCPU column = "codec_cpu_ns"

	framesRate   column = "frames_rate"
	oneFrameRate column = "frames_1_in_flight_rate"
	rawRate      column = "raw_rate"
	defaultsRate column = "defaults_rate"
)

// layout is how a column is printed.
type layout struct {
	column column
	title  string
	format func(float64) string
	// more tells that larger values are better.
	more bool
}

// layouts are the printed columns, in their order. A table has those that one of its rows has.
// Columns that are not here are only in the JSON output.
var layouts = []layout{
	{rate, "messages/s", formatCount, true},
	{sdkRate, "SDK, messages/s", formatCount, true},
	{vsSDK, "rate to SDK", formatRatio, true},
	{vsFrames, "rate to frames", formatRatio, true},
	{vsDefaults, "rate to defaults", formatRatio, true},
	{vsRaw, "rate to `SendAsync`", formatRatio, true},
	{cpu, "CPU/message", formatTime, false},
	{cpuVsSDK, "CPU to SDK", formatRatio, false},
	{codecCPU, "codec, CPU/message", formatTime, false},
	{vsCodec, "CPU to codec", formatRatio, false},
	{allocs, "allocations/message", formatRatio, false},
	{heapPeak, "heap peak", formatBytes, false},
	{liveHeap, "live heap", formatBytes, false},
	{p50, "p50", formatTime, false},
	{p99, "p99", formatTime, false},
	{p999, "p99.9", formatTime, false},
	{core, "CPU", formatPercent, false},
	{sdkP50, "SDK p50", formatTime, false},
	{sdkP99, "SDK p99", formatTime, false},
	{p50VsSDK, "p50 to SDK", formatRatio, false},
	{sdkP999, "SDK p99.9", formatTime, false},
	{sdkCore, "SDK CPU", formatPercent, false},
	{limit, "limit", formatBytes, false},
	{buffered, "buffered", formatBytes, false},
	{heapVsLimit, "heap to limit", formatRatio, false},
	{bufferedVsLimit, "buffered to limit", formatRatio, false},
}

// significant rounds v to so many significant digits.
func significant(v float64, digits int) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	if err != nil {
		return v
	}
	return rounded
}

// formatCount prints three significant digits, with commas between the thousands.
func formatCount(v float64) string {
	digits := strconv.FormatFloat(math.Round(significant(v, 3)), 'f', 0, 64)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// formatRatio prints two decimals, and fewer for large values or three for small ones.
func formatRatio(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v > 0 && v < 0.1:
		return fmt.Sprintf("%.3f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// formatTime prints a time in ns with a fitting unit.
func formatTime(v float64) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if v >= float64(unit.size) {
			return formatNumber(v/float64(unit.size)) + " " + unit.name
		}
	}
	return formatNumber(v) + " ns"
}

// formatBytes prints bytes with a binary unit.
func formatBytes(v float64) string {
	units := []string{"B", "KiB", "MiB", "GiB"}
	for v >= 1024 && len(units) > 1 {
		v, units = v/1024, units[1:]
	}
	return formatNumber(v) + " " + units[0]
}

func formatPercent(v float64) string { return formatNumber(v) + " %" }

// formatNumber prints three significant digits, without an exponent.
func formatNumber(v float64) string {
	return strconv.FormatFloat(significant(v, 3), 'f', -1, 64)
}
