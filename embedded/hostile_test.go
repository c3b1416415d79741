package embedded_test

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// outsider is a connection that must not notice what others do to the server.
func newBystander(t *testing.T, srv *embedded.Server) func() {
	t.Helper()
	c := dial(t, srv)
	c.login(t)
	return func() {
		t.Helper()
		c.mustCall(t, embedded.GetStreams, nil)
	}
}

func TestFalseLengthsAllocateLittle(t *testing.T) { // not parallel: it looks at the whole process's memory
	srv := start(t)
	unharmed := newBystander(t, srv)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	conns := make([]*testConn, 50)
	for i := range conns {
		c := dial(t, srv)
		c.login(t)
		c.send(t, join(u32(1<<30), u32(uint32(embedded.SendMessages)), u32(12), []byte("a few bytes")))
		conns[i] = c
	}
	unharmed()
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(200<<20))
	for _, c := range conns {
		require.NoError(t, c.Close())
	}
	require.Eventually(t, func() bool { return len(srv.Connections()) == 1 }, waitTimeout, time.Millisecond)
}

func TestTooLargeFramesCloseConnection(t *testing.T) {
	t.Parallel()
	srv := start(t)
	unharmed := newBystander(t, srv)
	for code, length := range map[embedded.Command]uint32{
		embedded.GetStream: 10<<20 + 5, embedded.SendMessages: 1<<32 - 1, 12345: 1<<32 - 1,
	} {
		c := dial(t, srv)
		c.login(t)
		c.send(t, join(u32(length), u32(uint32(code))))
		status, _ := c.receive(t)
		require.Equal(t, embedded.StatusInvalidCommand, status)
		_, _, err := c.tryReceive()
		require.Error(t, err)
	}
	unharmed()
}

func TestRandomFramesLeaveOtherConnectionsAlone(t *testing.T) {
	t.Parallel()
	srv := start(t)
	unharmed := newBystander(t, srv)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	var recorded []exchange
	for _, rec := range recordings {
		recorded = append(recorded, readRecording(t, rec.file)...)
	}
	for range 200 {
		c := dial(t, srv)
		c.login(t)
		for range 5 {
			x := recorded[rnd.IntN(len(recorded))]
			if x.Code == embedded.LogoutUser || x.Code == embedded.DeleteUser || x.Code == embedded.ChangePassword {
				continue
			}
			f := frame(x.Code, x.Request)
			for range rnd.IntN(4) {
				f[rnd.IntN(len(f))] = byte(rnd.IntN(256))
			}
			if _, err := c.Write(f[:rnd.IntN(len(f)+1)]); err != nil {
				break // closed by the server
			}
		}
		// A reset is as good as an end: the server may have closed before it had read all.
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c.r)
	}
	unharmed()
	require.Eventually(t, func() bool { return len(srv.Connections()) == 1 }, waitTimeout, time.Millisecond)
}

// TestClientThatNeverReads asks for far more than the sockets hold and reads nothing.
func TestClientThatNeverReadsIsDisconnected(t *testing.T) {
	t.Parallel()
	srv := start(t, embedded.WithWriteTimeout(300*time.Millisecond))
	c := makeTopic(t, srv, 1)
	big := message(1, strings.Repeat("x", 1<<20), "")
	for range 8 {
		c.mustCall(t, embedded.SendMessages, sendBody(streamS, topicT, toPartition(0), big))
	}
	unharmed := newBystander(t, srv)
	poll := frame(embedded.PollMessages, pollBody(single("c"), streamS, topicT, 0, 3, 0, 100, 0))
	lazy := make([]*testConn, 5)
	for i := range lazy {
		lazy[i] = dial(t, srv)
		lazy[i].login(t)
		for range 100 {
			lazy[i].send(t, poll)
		}
	}
	unharmed()
	require.Eventually(t, func() bool { return len(srv.Connections()) == 2 }, waitTimeout, time.Millisecond)
	unharmed()
}

// TestSlowReaderIsNotCutOff takes longer for an answer than the timeout: each piece taken starts
// the time anew.
func TestSlowReaderStaysConnected(t *testing.T) {
	t.Parallel()
	const timeout = time.Second
	srv := start(t, embedded.WithWriteTimeout(timeout))
	c := makeTopic(t, srv, 1)
	require.NoError(t, c.Conn.(*net.TCPConn).SetReadBuffer(64<<10))
	begun := time.Now()
	for range 24 {
		c.mustCall(t, embedded.SendMessages, sendBody(streamS, topicT, toPartition(0), message(1, strings.Repeat("x", 1<<20), "")))
	}
	c.send(t, frame(embedded.PollMessages, pollBody(single("c"), streamS, topicT, 0, 3, 0, 100, 0)))
	var header [8]byte
	_, err := io.ReadFull(c.r, header[:])
	require.NoError(t, err)
	size := int(binary.LittleEndian.Uint32(header[4:]))
	require.Greater(t, size, 24<<20)
	tick := time.NewTicker(2 * timeout / 48)
	defer tick.Stop()
	for size > 0 {
		<-tick.C
		n, err := io.CopyN(io.Discard, c.r, min(int64(size), 512<<10))
		require.NoError(t, err)
		size -= int(n)
	}
	require.Greater(t, time.Since(begun), timeout)
}

func TestIdleConnectionsUseLittleMemory(t *testing.T) { // not parallel: it looks at the whole process's memory
	srv := start(t)
	unharmed := newBystander(t, srv)
	const n = 3000
	conns := make([]net.Conn, 0, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for len(conns) < n {
		nc, err := net.Dial("tcp", srv.Endpoint())
		if err != nil {
			t.Logf("no more descriptors than for %d connections: %v", len(conns), err)
			break
		}
		defer nc.Close()
		conns = append(conns, nc)
	}
	require.NotEmpty(t, conns)
	require.Eventually(t, func() bool { return len(srv.Connections()) == len(conns)+1 }, waitTimeout, time.Millisecond)
	unharmed()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc {
		require.Less(t, (after.HeapAlloc-before.HeapAlloc)/uint64(len(conns)), uint64(24<<10), "bytes for an idle connection")
	}
	for _, nc := range conns {
		require.NoError(t, nc.Close())
	}
	require.Eventually(t, func() bool { return len(srv.Connections()) == 1 }, waitTimeout, time.Millisecond)
	unharmed()
}

// TestPipelinedRequestsAreAnsweredInOrder sends a thousand requests before it reads an answer.
func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	srv := start(t)
	c := makeTopic(t, srv, 1)
	const n = 1000
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range uint64(n) {
			_, err := c.Write(frame(embedded.SendMessages, sendBody(streamS, topicT, toPartition(0), message(i+1, "p", ""))))
			if err != nil {
				return
			}
			_, err = c.Write(frame(embedded.PollMessages, pollBody(single("c"), streamS, topicT, 0, 4, 0, 1, 0)))
			if err != nil {
				return
			}
		}
	})
	for i := range uint64(n) {
		status, _ := c.receive(t)
		require.Equal(t, embedded.StatusOK, status)
		status, answer := c.receive(t)
		require.Equal(t, embedded.StatusOK, status)
		require.Equal(t, i, binary.LittleEndian.Uint64(answer[4:]))
		require.Equal(t, i+1, binary.LittleEndian.Uint64(answer[16+16:]))
	}
	wg.Wait()
}

// TestHalfARequestHoldsNoAnswerBack: the answer to a complete request leaves, though the next one
// has begun to arrive.
func TestIncompleteRequestDelaysNoAnswer(t *testing.T) {
	t.Parallel()
	srv := start(t)
	c := dial(t, srv)
	c.login(t)
	next := frame(embedded.GetStream, ident("missing"))
	c.send(t, append(frame(embedded.Ping, nil), next[:9]...))
	status, _ := c.receive(t)
	require.Equal(t, embedded.StatusOK, status)
	c.send(t, next[9:])
	status, answer := c.receive(t)
	require.Equal(t, embedded.StatusOK, status)
	require.Empty(t, answer)
}

func TestRetentionBoundsMemory(t *testing.T) {
	t.Parallel()
	const bound = 1 << 20
	for label, opts := range map[string][]embedded.Option{
		"in memory":      {embedded.WithRetention(bound)},
		"in a directory": {embedded.WithRetention(bound), embedded.WithDirectory(t.TempDir())},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			srv := start(t, opts...)
			c := makeTopic(t, srv, 1)
			payload := strings.Repeat("x", 1000)
			var n uint64
			for size := range 40 {
				batch := make([][]byte, 1+size*5)
				for i := range batch {
					n++
					batch[i] = message(n, payload, "")
				}
				c.mustCall(t, embedded.SendMessages, sendBody(streamS, topicT, toPartition(0), batch...))
			}
			held, err := srv.Messages("s", "t", 0)
			require.NoError(t, err)
			require.Less(t, len(held)*1064, 3*bound)
			require.Greater(t, len(held)*1064, bound/2)
			require.Equal(t, n-1, held[len(held)-1].Offset)
			require.Equal(t, n-uint64(len(held)), held[0].Offset)

			answer := c.mustCall(t, embedded.PollMessages, pollBody(single("c"), streamS, topicT, 0, 1, 0, 1, 0))
			require.Equal(t, held[0].Offset, binary.LittleEndian.Uint64(answer[16+24:]), "the oldest that is left")
			answer = c.mustCall(t, embedded.PollMessages, pollBody(single("c"), streamS, topicT, 0, 3, 0, 1, 0))
			require.Equal(t, held[0].Offset, binary.LittleEndian.Uint64(answer[16+24:]))
			answer = c.mustCall(t, embedded.PollMessages, pollBody(single("c"), streamS, topicT, 0, 4, 0, 1<<31, 0))
			require.EqualValues(t, len(held), binary.LittleEndian.Uint32(answer[12:]))
		})
	}
}
