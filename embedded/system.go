package embedded

import (
	"encoding/binary"
	"math"
	"os"
	"runtime"
	"strings"
	"time"
)

// Version is the version of the server whose protocol this one speaks.
const version = "0.8.0"

// numericVersion is the version as the protocol gives it: major × 1,000,000 + minor × 1,000 + patch.
const numericVersion = 8000

// getClusterMetadata has no body and answers `[u32 length][cluster name][u32 nodes]` and for each node `[u32 length]
// [name][u32 length][ip][u16 tcp port][u16 quic port][u16 http port][u16 websocket port][u8 role][u8 status]`. There is
// one node, the leader (role 0) and healthy (status 0); ports that it does not listen on are 0.
func (c *conn) getClusterMetadata(d *decoder) Status {
	if st := c.admit(d); st != StatusOK {
		return st
	}
	s := c.server
	c.out = appendText(c.out, "single-node")
	c.out = binary.LittleEndian.AppendUint32(c.out, 1)
	c.out = appendText(c.out, "iggy-node")
	c.out = appendText(c.out, s.host)
	c.out = binary.LittleEndian.AppendUint16(c.out, s.port)
	c.out = append(c.out, 0, 0, 0, 0, 0, 0)
	c.out = append(c.out, 0, 0)
	return StatusOK
}

// getMe has no body and answers the connection's own client with its groups.
func (c *conn) getMe(d *decoder) Status {
	if st := c.admit(d); st != StatusOK {
		return st
	}
	cl, ok := c.server.clients.get(c.clientID)
	if !ok {
		return StatusClientNotFound
	}
	c.out = appendClientDetails(c.out, cl)
	return StatusOK
}

// getClient reads `[u32 client]` and answers the client with its groups, or nothing.
func (c *conn) getClient(d *decoder) Status {
	id := d.u32()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if !c.allowed(canReadServer) {
		return StatusUnauthorized
	}
	if id == 0 {
		return StatusInvalidClientID
	}
	if cl, ok := c.server.clients.get(id); ok {
		c.out = appendClientDetails(c.out, cl)
	}
	return StatusOK
}

// getClients has no body and answers all clients. The real server has no order here.
func (c *conn) getClients(d *decoder) Status {
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if !c.allowed(canReadServer) {
		return StatusUnauthorized
	}
	for _, cl := range c.server.clients.all() {
		c.out = appendClient(c.out, cl)
	}
	return StatusOK
}

// getStats has no body and answers `[u32 process][f32 cpu][f32 total cpu][u64 memory][u64 total memory][u64 available
// memory][u64 run time][u64 start time][u64 read bytes][u64 written bytes][u64 bytes of messages][u32 streams]
// [u32 topics][u32 partitions][u32 segments][u64 messages][u32 clients][u32 groups]`, five texts `[u32 length][text]`
// (host, system, its version, the kernel's, the server's), `[u32 numeric version][u32 cached partitions]` (none) and
// `[u32 threads][u64 free disk][u64 total disk]`. Numbers that a server in memory has no use for are 0.
func (c *conn) getStats(d *decoder) Status {
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if !c.allowed(canReadServer) {
		return StatusUnauthorized
	}
	s := c.server
	var streams, topics, partitions, groups uint32
	var size, messages uint64
	s.catalog.mu.RLock()
	s.catalog.streams.each(func(_ uint32, st *stream) {
		streams++
		b, m := st.totals()
		size, messages = size+b, messages+m
		st.topics.each(func(_ uint32, t *topic) {
			topics++
			partitions += uint32(len(t.partitions))
			groups += uint32(t.groups.len())
		})
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
