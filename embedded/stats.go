package embedded

import (
	"encoding/binary"
	"math"
	"os"
	"runtime"
	"strings"
	"time"
)

const (
	// version is the version of the real server whose protocol this server speaks.
	version = "0.8.0"
	// numericVersion is major × 1,000,000 + minor × 1,000 + patch.
	numericVersion = 8000
)

// getStats answers `[u32 process][f32 cpu][f32 total cpu][u64 memory][u64 total memory]
// [u64 available memory][u64 run time][u64 start time][u64 read bytes][u64 written bytes]
// [u64 bytes of messages][u32 streams][u32 topics][u32 partitions][u32 segments][u64 messages]
// [u32 clients][u32 groups]`, five texts `[u32 length][text]` (host, system, its version, the
// version of the kernel and of the server), `[u32 numeric version][u32 cached partitions]` and
// `[u32 threads][u64 free disk][u64 total disk]`. What does not apply to this server is 0.
func (c *conn) getStats(none) Status {
	s := c.server
	var streams, topics, partitions, groups uint32
	var size, messages uint64
	s.catalog.mu.RLock()
	s.catalog.streams.each(func(_ uint32, st *stream) {
		streams++
		b, m := st.totals()
		size, messages = size+b, messages+m
	})
	s.catalog.eachTopic(func(t *topic) {
		topics++
		partitions += uint32(len(t.partitions))
		groups += uint32(t.groups.len())
	})
	s.catalog.mu.RUnlock()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)

	u32 := func(v uint32) { c.out = binary.LittleEndian.AppendUint32(c.out, v) }
	u64 := func(v uint64) { c.out = binary.LittleEndian.AppendUint64(c.out, v) }
	u32(uint32(os.Getpid()))
	u32(math.Float32bits(0))
	u32(math.Float32bits(0))
	u64(mem.Sys)
	u64(mem.Sys)
	u64(mem.Sys - mem.HeapInuse)
	u64(uint64(s.opts.clock().Sub(s.started) / time.Microsecond))
	u64(uint64(s.started.UnixMicro()))
	u64(0)
	u64(0)
	u64(size)
	u32(streams)
	u32(topics)
	u32(partitions)
	u32(partitions) // one segment each
	u64(messages)
	u32(uint32(s.clients.len()))
	u32(groups)
	host, err := os.Hostname()
	if err != nil {
		host = "unknown_hostname"
	}
	for _, text := range []string{host, runtime.GOOS, runtime.GOOS + " " + runtime.GOARCH, kernelVersion(), version} {
		c.out = appendText(c.out, text)
	}
	u32(numericVersion)
	u32(0)
	u32(uint32(runtime.NumGoroutine()))
	u64(0)
	u64(0)
	return StatusOK
}

func kernelVersion() string {
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		return strings.TrimSpace(string(b))
	}
	return "unknown_kernel_version"
}
