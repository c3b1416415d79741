package main

import (
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// variant is a workload in which one thing differs from the base, or two that matter together.
type variant struct {
	name string
	workload
}

// variants are the workloads of both the producer's and the consumer's rows.
func variants() []variant {
	all := []variant{{"base: 8 partitions, 512 B, round trip 0", base}}
	for _, n := range []int{1, 64, 512} {
		w := base
		w.partitions = n
		all = append(all, variant{plural(n, "partition"), w})
	}
	for _, size := range []struct {
		name  string
		bytes int
	}{{"100 B", 100}, {"10 KB", 10_000}, {"100 KB", 100_000}, {"1 MB", 1_000_000}} {
		w := base
		w.payload = size.bytes
		all = append(all, variant{"payload " + size.name, w})
	}
	for _, d := range []time.Duration{2 * time.Millisecond, 20 * time.Millisecond} {
		all = append(all, variant{fmt.Sprintf("round trip %d ms", d.Milliseconds()), base.distant(d)})
	}
	one := base.distant(2 * time.Millisecond)
	one.partitions = 1
	return append(all, variant{"1 partition, round trip 2 ms", one})
}

// growthRows are the rows whose workload differs from the base. All settings are the defaults, except
// for max_buffered_bytes where it is in the row.
func growthRows() []row {
	var rows []row
	for _, v := range variants() {
		rows = append(rows, defaultSending(groupGrowth, v.name, v.workload).row())
	}
	for _, n := range []int{1, 16, 256} {
		w := base
		w.topics, w.partitions = n, 1
		rows = append(rows, defaultSending(groupGrowth, plural(n, "topic")+" of 1 partition", w).row())
	}
	for _, size := range []config.Bytes{1 << 20, 4 << 20, 16 << 20} {
		s := defaultSending(groupGrowth, "buffer of "+size.String(), base)
		s.cfg.MaxBufferedBytes = size
		rows = append(rows, s.row())
	}
	for _, v := range variants() {
		rows = append(rows, defaultConsuming(groupGrowth, v.name, v.workload).row())
	}
	for _, n := range []int{16, 64} {
		s := defaultConsuming(groupGrowth, fmt.Sprintf("%d consumers in a process", n), base)
		s.consumers = n
		rows = append(rows, s.row())
	}
	return append(rows, backlogRow())
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
