package main

import (
	"fmt"
	"strings"
	"time"
)

// goal is a bound that a cell should reach.
type goal struct {
	name   string
	row    string // its id
	column column
	sign   string // ≥ or ≤
	bound  float64
}

func (g goal) String() string { return g.sign + " " + g.format(g.bound) }

// format prints a value in the form of its column.
func (g goal) format(value float64) string {
	for _, l := range layouts {
		if l.column == g.column {
			return l.format(value)
		}
	}
	return formatNumber(value)
}

// met reports whether a value reaches the bound.
func (g goal) met(value float64) bool {
	if g.sign == "≥" {
		return value >= g.bound
	}
	return value <= g.bound
}

// goals are computed from the rows. Those of rows that were not measured are left out.
func goals() []goal {
	const (
		send    = "/" + tableSend + "/"
		consume = "/" + tableConsume + "/"
		idle    = "/" + tableLatency + "/"
		memory  = "/" + tableMemory + "/"
		packed  = "/" + tableCompressed + "/"

		async     = groupDefaults + send + "`SendAsync` by key"
		one       = groupDefaults + send + "`Send`, 1 caller"
		many      = groupDefaults + send + "`Send`, 64 callers"
		publish   = groupDefaults + send + "`Publisher` by key, protobuf"
		tuned     = groupTuned + consume + "`Handle`"
		stalled   = groupTuned + memory + "a producer while the server does not read"
		stuck     = groupTuned + memory + "a consumer of 64 partitions while its handlers hang"
		rareEvent = groupDefaults + idle + "one message every 200 ms"
	)
	list := []goal{
		{"send_vs_sdk", async, vsSDK, "≥", 1.5},
		{"send_vs_frames", async, vsFrames, "≥", 0.8},
		{"send_vs_frames_64_partitions", groupGrowth + send + "64 partitions", vsFrames, "≥", 0.8},
		{"send_vs_frames_512_partitions", groupGrowth + send + "512 partitions", vsFrames, "≥", 0.6},
		{"send_4MiB_vs_64MiB", groupGrowth + send + "buffer of 4MiB", vsDefaults, "≥", 0.8},
		{"send_2ms_vs_sdk", groupGrowth + send + "round trip 2 ms", vsSDK, "≥", 3},
		{"send_20ms_vs_sdk", groupGrowth + send + "round trip 20 ms", vsSDK, "≥", 3},
		{"send_cpu_vs_sdk", async, cpuVsSDK, "≤", 0.5},
		{"send_allocs", async, allocs, "≤", 1},
		{"send_allocs_proto", publish, allocs, "≤", 3},
		{"send_waiting_64_vs_sdk", many, vsSDK, "≥", 8.5},
		{"send_waiting_1_vs_sdk", one, p50VsSDK, "≤", 1.15},
		{"send_stalled_heap_vs_limit", stalled, heapVsLimit, "≤", 1.25},
		{"send_stalled_buffered_vs_limit", stalled, bufferedVsLimit, "≤", 1},

		{"poll_default_vs_sdk", groupDefaults + consume + "`Handle`", vsSDK, "≥", 0.8},
		{"iterate_default_vs_sdk", groupDefaults + consume + "`Messages` and `Ack`", vsSDK, "≥", 0.5},
	}
	for _, n := range []int{1, 64, 512} {
		list = append(list, goal{"poll_default_vs_sdk_" + strings.ReplaceAll(plural(n, "partition"), " ", "_"), groupGrowth + consume + plural(n, "partition"), vsSDK, "≥", 0.8})
	}
	for _, size := range []string{"10 KB", "100 KB", "1 MB"} {
		list = append(list, goal{"poll_default_vs_sdk_" + strings.ReplaceAll(size, " ", "_"), groupGrowth + consume + "payload " + size, vsSDK, "≥", 1})
	}
	for _, ms := range []int{2, 20} {
		list = append(list, goal{fmt.Sprintf("poll_default_vs_sdk_%dms", ms), groupGrowth + consume + fmt.Sprintf("round trip %d ms", ms), vsSDK, "≥", 1})
	}
	list = append(list,
		goal{"poll_default_vs_sdk_1_partition_2ms", groupGrowth + consume + "1 partition, round trip 2 ms", vsSDK, "≥", 0.8},
		goal{"poll_vs_sdk", tuned, vsSDK, "≥", 1.3},
		goal{"poll_vs_frames", tuned, vsFrames, "≥", 0.9},
		goal{"poll_allocs", tuned, allocs, "≤", 2},
	)
	for _, ms := range []int{2, 20} {
		list = append(list, goal{fmt.Sprintf("poll_vs_sdk_%dms", ms), groupTuned + consume + fmt.Sprintf("`Handle`, round trip %d ms", ms), vsSDK, "≥", 3})
	}
	for _, c := range []string{"zstd", "s2"} {
		list = append(list,
			goal{"send_" + c + "_cpu_vs_codec", groupTuned + packed + c + ", `Publisher`", vsCodec, "≤", 1.3},
			goal{"poll_" + c + "_cpu_vs_codec", groupTuned + packed + c + ", `Handle`", vsCodec, "≤", 1.3},
		)
	}
	const ms = float64(time.Millisecond)
	return append(list,
		goal{"stuck_handler_heap_vs_limit", stuck, heapVsLimit, "≤", 2},
		goal{"stuck_handler_bytes_vs_limit", stuck, bufferedVsLimit, "≤", 1},
		goal{"wake_idle_p50", rareEvent, p50, "≤", 12 * ms},
		goal{"wake_idle_p99", rareEvent, p99, "≤", 60 * ms},
		goal{"wake_busy_p50", groupDefaults + idle + "1,000 messages/s", p50, "≤", 2 * ms},
		goal{"idle_cpu", groupDefaults + idle + "idle, 1 consumer", core, "≤", 1},
		goal{"idle_cpu_64_consumers", groupDefaults + idle + "idle, 64 consumers of one topic", core, "≤", 3},
	)
}
