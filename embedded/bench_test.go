package embedded_test

import (
	"encoding/binary"
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

// benchConn has no deadlines and writes straight to the socket.
func benchConn(b *testing.B, srv *embedded.Server) *testConn {
	b.Helper()
	c := dial(b, srv)
	c.login(b)
	return c
}

// BenchmarkSend sends ready frames of 1,000 messages of 512 bytes on one connection, one at a time
// and with eight in flight, to a server that keeps the default retention.
func BenchmarkSend(b *testing.B) {
	for _, inFlight := range []int{1, 8} {
		b.Run(map[int]string{1: "one", 8: "eight"}[inFlight], func(b *testing.B) {
			srv := start(b)
			stream, topic := benchTopic(b, srv)
			c := benchConn(b, srv)
			f := benchFrame(stream, topic)
			slots := make(chan struct{}, inFlight)
			done := make(chan error, 1)
			b.SetBytes(int64(len(f)))
			b.ResetTimer()
			go func() {
				var answer [8]byte
				for range b.N {
					if _, err := io.ReadFull(c.r, answer[:]); err != nil {
						done <- err
						return
					}
					<-slots
				}
				done <- nil
			}()
			for range b.N {
				slots <- struct{}{}
				_, err := c.Write(f)
				require.NoError(b, err)
			}
			require.NoError(b, <-done)
			b.ReportMetric(float64(b.N)*benchMessages/b.Elapsed().Seconds(), "msgs/s")
		})
	}
}

// BenchmarkPoll reads answers of 1,000 messages of 512 bytes without decoding them, on one
// connection.
func BenchmarkPoll(b *testing.B) {
	srv := start(b)
	stream, topic := benchTopic(b, srv)
	c := benchConn(b, srv)
	for range 100 {
		c.send(b, benchFrame(stream, topic))
		status, _ := c.receive(b)
		require.Equal(b, embedded.StatusOK, status)
	}
	buf := make([]byte, 1<<20)
	b.ResetTimer()
	for i := range b.N {
		f := frame(embedded.PollMessages, pollBody(single("c"), stream, topic, 0, 1, uint64(i%100)*benchMessages, benchMessages, 0))
		_, err := c.Write(f)
		require.NoError(b, err)
		_, err = io.ReadFull(c.r, buf[:8])
		require.NoError(b, err)
		size := binary.LittleEndian.Uint32(buf[4:])
		_, err = io.ReadFull(c.r, buf[:size])
		require.NoError(b, err)
		require.EqualValues(b, benchMessages, binary.LittleEndian.Uint32(buf[12:]))
	}
	b.SetBytes(benchMessages * (64 + benchPayload))
	b.ReportMetric(float64(b.N)*benchMessages/b.Elapsed().Seconds(), "msgs/s")
}
