package embedded

import (
	"bytes"
	"errors"
	"io"
	"net"
	"reflect"
	"time"
)

// OfflineServer is a server without a listener, for fuzzing without sockets.
type OfflineServer struct{ s *Server }

// NewOfflineServer returns a server that needs no Stop.
func NewOfflineServer() *OfflineServer { return &OfflineServer{newServer(nil)} }

// Exchange sends input on a new connection and returns all answers. With login the connection is
// logged in as root.
func (o *OfflineServer) Exchange(input []byte, login bool) []byte {
	nc := &memoryConn{in: bytes.NewReader(input)}
	c := newConn(o.s, 1, nc, nil, nc.RemoteAddr())
	if login {
		c.user.Store(rootUser)
		o.s.clients.setUser(c.clientID, rootUser)
	}
	_ = c.serveRequests()
	o.s.leaveGroups(c)
	c.cancel()
	return nc.out.Bytes()
}

// Invariants checks the consistency of the server's state and returns all violations.
func (o *OfflineServer) Invariants() error {
	var errs []error
	check := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}
	o.s.catalog.streams.each(func(id uint32, s *stream) {
		check(s.id == id && o.s.catalog.streamsByName[s.name] == s, "stream index")
		check(len(s.topicsByName) == s.topics.len(), "topic names")
		s.topics.each(func(id uint32, t *topic) {
			check(t.id == id && s.topicsByName[t.name] == t, "topic index")
			for i, p := range t.partitions {
				check(p.id == uint32(i), "partition number")
				count, size := uint64(0), uint64(0)
				for _, c := range p.chunks {
					check(c.baseOffset+uint64(len(c.ends)) <= p.nextOffset, "chunk past the end")
					check(int(c.ends[len(c.ends)-1]) == len(c.data), "index of a chunk")
					count, size = count+uint64(len(c.ends)), size+uint64(len(c.data))
				}
				check(count == p.count && size == p.size, "sums of a partition")
			}
			t.groups.each(func(_ uint32, g *group) {
				check(g.partitionCount == uint32(len(t.partitions)), "partitions of a group")
				owned := 0
				g.members.each(func(_ uint32, m *member) { owned += len(m.partitions) })
				check(g.partitionCount == 0 || g.members.len() == 0 && owned == 0 || owned == int(g.partitionCount), "owners of partitions")
			})
		})
	})
	check(len(o.s.catalog.streamsByName) == o.s.catalog.streams.len(), "stream names")
	return errors.Join(errs...)
}

// KnownStatus reports whether a status is one that the server answers.
func KnownStatus(s Status) bool { _, ok := statusNames[s]; return ok }

// ValidateBatch is validateBatch.
func ValidateBatch(indexes, data []byte, count int) ([]uint32, Status) {
	return validateBatch(indexes, data, count)
}

// RoundTripPermissions decodes permissions, encodes them and decodes them again. It reports whether
// they were well formed and, if so, whether nothing changed.
func RoundTripPermissions(b []byte) (formed, same bool) {
	d := &decoder{buf: b}
	p := d.permissions()
	if d.status != StatusOK {
		return false, false
	}
	again := &decoder{buf: appendPermissions(nil, p)}
	return true, reflect.DeepEqual(p, again.permissions()) && again.status == StatusOK && again.pos == len(again.buf)
}

// ReadLog reads a log of the partition 1 and returns its messages, the number of damaged bytes and
// where what is complete ends.
func ReadLog(b []byte) (messages [][]byte, damaged, end int64) {
	c := readLog(b, 1, 0)
	for _, r := range c.damage {
		damaged += r.end - r.start
	}
	return c.messages, damaged, c.end
}

// AppendFrame appends a message to a log of the partition 1, with an offset and a checksum.
func AppendFrame(log, message []byte, offset uint64) []byte {
	m := bytes.Clone(message)
	(&batch{data: m, ends: []uint32{uint32(len(m))}}).stamp(offset)
	return append(appendFrameHeader(log, 1, int64(len(log)), uint32(len(m))), m...)
}

// ReadAll is readAll.
func ReadAll(r io.ReaderAt, size int64) []byte { return readAll(r, size) }

// XXH32 is xxh32.
func XXH32(b []byte) uint32 { return xxh32(b) }

type memoryConn struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (m *memoryConn) Read(p []byte) (int, error) {
	n, err := m.in.Read(p)
	if err != nil {
		return n, io.EOF
	}
	return n, nil
}

func (m *memoryConn) Write(p []byte) (int, error)      { return m.out.Write(p) }
func (m *memoryConn) Close() error                     { return nil }
func (m *memoryConn) LocalAddr() net.Addr              { return &net.TCPAddr{Port: 1} }
func (m *memoryConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }
func (m *memoryConn) SetDeadline(time.Time) error      { return nil }
func (m *memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (m *memoryConn) SetWriteDeadline(time.Time) error { return nil }
