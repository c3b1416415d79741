package embedded_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

const (
	benchMessages = 1000
	benchPayload  = 512
)

func benchTopic(b *testing.B, srv *embedded.Server) (stream, topic []byte) {
	b.Helper()
	c := dial(b, srv)
	c.login(b)
	c.mustCall(b, embedded.CreateStream, name("bench"))
	stream = ident("bench")
	c.mustCall(b, embedded.CreateTopic, topicBody(stream, 1, 1, 0, 0, 0, "t"))
	return stream, ident("t")
}

func benchFrame(stream, topic []byte) []byte {
	m := message(1, strings.Repeat("x", benchPayload), "")
	all := make([][]byte, benchMessages)
	for i := range all {
		all[i] = m
	}
	return frame(embedded.SendMessages, sendBody(stream, topic, toPartition(0), all...))
}

// benchConn returns a connection that is logged in.
func benchConn(b *testing.B, srv *embedded.Server) *testConn {
	b.Helper()
	c := dial(b, srv)
	c.login(b)
	return c
}

// BenchmarkSend sends encoded batches of 1,000 messages of 512 bytes on one connection, one at a
// time and with eight in flight, to a server with the default retention.
func BenchmarkSend(b *testing.B) {
	for _, inFlight := range []int{1, 8} {
		b.Run(map[int]string{1: "one", 8: "eight"}[inFlight], func(b *testing.B) {
			srv := start(b)
			stream, topic := benchTopic(b, srv)
			c := benchConn(b, srv)
			f := benchFrame(stream, topic)
			slots, sent := make(chan struct{}, inFlight), make(chan struct{}, inFlight)
			done := make(chan error, 1)
			go func() {
				var answer [8]byte
				for range sent {
					if _, err := io.ReadFull(c.r, answer[:]); err != nil {
						done <- err
						return
					}
					<-slots
				}
				done <- nil
			}()
			b.SetBytes(int64(len(f)))
			for b.Loop() {
				slots <- struct{}{}
				_, err := c.Write(f)
				require.NoError(b, err)
				sent <- struct{}{}
			}
			close(sent)
			require.NoError(b, <-done)
			b.ReportMetric(float64(b.N)*benchMessages/b.Elapsed().Seconds(), "msgs/s")
		})
	}
}

// TestSendToPartitionMigratesConnection shows what the real server does at the first send to an
// explicit partition: it forgets that the connection is in groups. The connection stays a member,
// and when it ends, it keeps its partitions until another client joins.
func TestSendToPartitionMigratesConnection(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		t.Run(fmt.Sprint(on), func(t *testing.T) {
			t.Parallel()
			srv := start(t, embedded.WithConnectionMigration(on))
			makeTopic(t, srv, 2)
			c := groupMember(t, srv)
			c.mustCall(t, embedded.SendMessages, sendBody(streamS, topicT, balanced, message(1, "a", "")))
			me := c.mustCall(t, embedded.GetMe, nil)
			require.Equal(t, u32(0), me[4:8], "a balanced send does not move the connection")
			sendN(t, c, 0, 1)
			me = c.mustCall(t, embedded.GetMe, nil)
			if !on {
				require.Equal(t, u32(0), me[4:8])
				c.close(t, srv)
				require.Empty(t, members(t, srv))
				return
			}
			require.Equal(t, u32(1<<32-1), me[4:8])
			require.Equal(t, u32(0), me[len(me)-4:], "no groups")
			c.mustCall(t, embedded.PollMessages, pollBody(grouped("g"), streamS, topicT, 0, 5, 0, 1, 0))
			c.close(t, srv)
			require.Equal(t, [][]uint32{{0, 1}}, assignments(t, srv))
			groupMember(t, srv)
			require.Equal(t, [][]uint32{{0, 1}}, assignments(t, srv))
			require.Len(t, members(t, srv), 1)
		})
	}
}

func scriptSend(s *script) {
	st := s.stream("s")
	t := s.topic(st, "t", 4)
	a := s.admin
	m := message(1, "payload", "")
	for _, key := range []string{"a", "job-1", "a rather long key that has more than sixteen bytes"} {
		a.call("by key "+key, embedded.SendMessages, sendBody(st, t, byKey(key), m))
	}
	for range 6 {
		a.call("balanced", embedded.SendMessages, sendBody(st, t, balanced, m))
	}
	a.call("with headers", embedded.SendMessages, sendBody(st, t, toPartition(3), message(2, "p", "headers that are none"), m))
	a.call("empty payload", embedded.SendMessages, sendBody(st, t, toPartition(3), message(3, "", "")))
	a.call("empty key", embedded.SendMessages, sendBody(st, t, noKey, m))
	a.call("topic", embedded.GetTopic, join(st, t))
	for p := range 4 {
		a.call("held", embedded.PollMessages, pollBody(single("c"), st, t, p, 3, 0, 100, 0))
	}

	index := func(offset, end uint32, ts uint64) []byte { return join(u32(offset), u32(end), u64(ts)) }
	full := uint32(len(m))
	send := func(label string, body []byte) { s.callOnce(label, embedded.SendMessages, body) }
	send("missing partition", sendBody(st, t, toPartition(4), m))
	send("missing topic", sendBody(st, ident("missing"), balanced, m))
	send("missing stream", sendBody(ident(s.name("missing")), t, balanced, m))
	send("no messages", sendBody(st, t, balanced))
	send("offset in index", sendParts(st, t, balanced, 1, index(1, full, 0), m))
	send("time in index", sendParts(st, t, balanced, 1, index(0, full, 1), m))
	send("end too far is ignored for the last", sendParts(st, t, toPartition(0), 1, index(0, full+9, 0), m))
	send("first end too far", sendParts(st, t, balanced, 2, join(index(0, 2*full+1, 0), index(0, 2*full, 0)), join(m, m)))
	send("first end too short", sendParts(st, t, balanced, 2, join(index(0, 63, 0), index(0, 2*full, 0)), join(m, m)))
	send("first end in the middle", sendParts(st, t, balanced, 2, join(index(0, full-1, 0), index(0, 2*full, 0)), join(m, m)))
	send("first end late", sendParts(st, t, balanced, 2, join(index(0, full+1, 0), index(0, 2*full, 0)), join(m, m)))
	send("ends not in order", sendParts(st, t, balanced, 3,
		join(index(0, full, 0), index(0, full-1, 0), index(0, 3*full, 0)), join(m, m, m)))
	send("last end before the one before", sendParts(st, t, balanced, 2, join(index(0, full, 0), index(0, 1, 0)), join(m, m)))
	send("bytes left over", sendParts(st, t, balanced, 1, index(0, full, 0), join(m, []byte("more"))))
	send("shorter than a header", sendParts(st, t, balanced, 1, index(0, 63, 0), m[:63]))
	lying := message(1, "payload", "")
	lying[52] = 200
	send("payload longer than the rest", sendParts(st, t, balanced, 1, index(0, full, 0), lying))
	lying = message(1, "payload", "")
	lying[48] = 1
	send("headers longer than the rest", sendParts(st, t, balanced, 1, index(0, full, 0), lying))
	send("headers too long", sendBody(st, t, balanced, message(1, "p", strings.Repeat("h", 100_001))))
	back := message(1, "payload", "")
	back[24] = 5
	send("offsets that go back", sendBody(st, t, balanced, back, m))
	send("offsets that are set", sendBody(st, t, toPartition(1), back, back))
	send("partitioning kind 0", sendBody(st, t, []byte{0, 0}, m))
	send("partitioning kind 4", sendBody(st, t, []byte{4, 0}, m))
	send("balanced with a value", sendBody(st, t, []byte{1, 1, 0}, m))
	send("partition of 2 bytes", sendBody(st, t, []byte{2, 2, 0, 0}, m))
	send("stream of kind 3", sendBody([]byte{3, 1, 0}, t, balanced, m))
	send("stream of 3 bytes", sendBody([]byte{1, 3, 0, 0, 0}, t, balanced, m))
	send("stream without a name", sendBody([]byte{2, 0}, t, balanced, m))
	send("metadata longer than the body", join(u32(1000), st, t, balanced, u32(1)))
	send("more indexes than bytes", sendParts(st, t, balanced, 1000, index(0, full, 0), m))
	body := sendBody(st, t, balanced, m)
	body[0] -= 2
	send("metadata too short", body)
	anonymous := s.connect("anonymous")
	anonymous.call("without login", embedded.SendMessages, nil)
	send("only 20 bits count", sendBody(st, t, toPartition(7<<20+2), m))
	a.call("topic after all that", embedded.GetTopic, join(st, t))
}
