package embedded_test

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func seeds(f *testing.F) []exchange {
	f.Helper()
	var all []exchange
	for _, rec := range recordings {
		all = append(all, readRecording(f, rec.file)...)
	}
	return all
}

// checkAnswers requires b to be a sequence of complete answers with known statuses, and returns
// their number.
func checkAnswers(t *testing.T, b []byte) int {
	t.Helper()
	n := 0
	for ; len(b) > 0; n++ {
		require.GreaterOrEqual(t, len(b), 8)
		status := embedded.Status(binary.LittleEndian.Uint32(b))
		size := int(binary.LittleEndian.Uint32(b[4:]))
		require.True(t, embedded.KnownStatus(status), "status %d", status)
		require.True(t, status == embedded.StatusOK || size == 0, "an error has no body")
		require.GreaterOrEqual(t, len(b)-8, size)
		b = b[8+size:]
	}
	return n
}

// FuzzFrames sends arbitrary bytes: frames may be incomplete and have false lengths.
func FuzzFrames(f *testing.F) {
	var input []byte
	for _, x := range seeds(f) {
		fr := frame(x.Code, x.Request)
		f.Add(fr, true)
		f.Add(fr[:len(fr)/2], true)
		if len(input) < 4<<10 {
			input = append(input, fr...)
		}
	}
	f.Add(input, false)
	f.Add(input, true)
	f.Fuzz(func(t *testing.T, input []byte, login bool) {
		srv := embedded.NewOfflineServer()
		n := checkAnswers(t, srv.Exchange(input, login))
		require.LessOrEqual(t, n, len(input)/8)
		require.NoError(t, srv.Invariants())
	})
}

// newBystander returns a check that a connection of its own still works, for tests in which other
// clients misbehave.
func newBystander(t *testing.T, srv *embedded.Server) func() {
	t.Helper()
	c := dial(t, srv)
	c.login(t)
	return func() {
		t.Helper()
		c.mustCall(t, embedded.GetStreams, nil)
	}
}

func TestRandomFramesLeaveOtherConnectionsAlone(t *testing.T) {
	t.Parallel()
	srv := start(t)
	checkBystander := newBystander(t, srv)
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
		// The connection may end with a reset, since the server may have closed it before it had
		// read everything.
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c.r)
	}
	checkBystander()
	require.Eventually(t, func() bool { return len(srv.Connections()) == 1 }, waitTimeout, time.Millisecond)
}

func TestIdleConnectionsUseLittleMemory(t *testing.T) { // not parallel: it measures the memory of the process
	srv := start(t)
	checkBystander := newBystander(t, srv)
	const n = 3000
	conns := make([]net.Conn, 0, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for len(conns) < n {
		nc, err := net.Dial("tcp", srv.Address())
		if err != nil {
			t.Logf("no more descriptors than for %d connections: %v", len(conns), err)
			break
		}
		defer func() { _ = nc.Close() }()
		conns = append(conns, nc)
		_, err = nc.Write(frame(embedded.LoginUser, loginBody("iggy", "iggy")))
		require.NoError(t, err)
		_, err = io.ReadFull(nc, make([]byte, 12))
		require.NoError(t, err)
	}
	require.NotEmpty(t, conns)
	require.Eventually(t, func() bool { return len(srv.Connections()) == len(conns)+1 }, waitTimeout, time.Millisecond)
	checkBystander()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc {
		require.Less(t, (after.HeapAlloc-before.HeapAlloc)/uint64(len(conns)), uint64(24<<10), "bytes for an idle connection")
	}
	for _, nc := range conns {
		require.NoError(t, nc.Close())
	}
	require.Eventually(t, func() bool { return len(srv.Connections()) == 1 }, waitTimeout, time.Millisecond)
	checkBystander()
}

// TestPipelinedRequestsAreAnsweredInOrder sends 2,000 requests without waiting for answers.
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

// TestIncompleteRequestDelaysNoAnswer sends a complete request and a part of the next one. The
// answer to the first one must not wait for the rest.
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

func scriptFrames(s *script) {
	p := s.login("frames")
	for _, code := range []embedded.Command{0, 2, 13, 30, 40, 103, 400, 401, 404, 606, 700, 1 << 31} {
		p.call("unknown", code, []byte("body"))
	}
	p.sendRaw("length 0", embedded.Ping, join(u32(0), u32(1)))
	p.sendRaw("length 3", embedded.Ping, join(u32(3), u32(1)))
	p.call("body of a ping", embedded.Ping, []byte("ignored"))
	p.call("body of a command without one", embedded.GetMe, []byte("ignored"))
	p.sendRaw("two at once", embedded.Ping, join(frame(embedded.Ping, nil), frame(embedded.Ping, nil)))
	_, _, err := p.c.tryReceive()
	require.NoError(s.t, err)
	s.callOnce("snapshot, compression 0", embedded.GetSnapshot, []byte{0, 1, 1})
	s.callOnce("snapshot, compression 9", embedded.GetSnapshot, []byte{9, 1, 1})
	s.callOnce("snapshot, unknown part", embedded.GetSnapshot, []byte{1, 1, 99})
	s.callOnce("snapshot, all and more", embedded.GetSnapshot, []byte{1, 2, 100, 1})
	s.callOnce("snapshot, truncated", embedded.GetSnapshot, []byte{1, 2, 1})
	big := s.login("big")
	big.sendRaw("control frame of 10 MiB and a byte", embedded.GetStream, join(u32(4+10<<20+1), u32(200)))
	anonymous := s.connect("anonymous")
	anonymous.call("ping without login", embedded.Ping, nil)
	anonymous.call("unknown without login", 999, nil)
}
