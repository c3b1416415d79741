package embedded_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func TestFalseLengthsAllocateLittle(t *testing.T) { // not parallel: it measures the memory of the process
	srv := start(t)
	checkBystander := newBystander(t, srv)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	conns := make([]*testConn, 50)
	for i := range conns {
		c := dial(t, srv)
		c.login(t)
		c.send(t, join(u32(1<<30), u32(uint32(embedded.SendMessages)), u32(12), []byte("a few bytes")))
		conns[i] = c
	}
	checkBystander()
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
	checkBystander := newBystander(t, srv)
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
	checkBystander()
}

// TestClientThatNeverReadsIsDisconnected polls far more than the sockets can buffer and reads
// nothing.
func TestClientThatNeverReadsIsDisconnected(t *testing.T) {
	t.Parallel()
	srv := start(t, embedded.WithWriteTimeout(300*time.Millisecond))
	c := makeTopic(t, srv, 1)
	big := message(1, strings.Repeat("x", 1<<20), "")
	for range 8 {
		c.mustCall(t, embedded.SendMessages, sendBody(streamS, topicT, toPartition(0), big))
	}
	checkBystander := newBystander(t, srv)
	poll := frame(embedded.PollMessages, pollBody(single("c"), streamS, topicT, 0, 3, 0, 100, 0))
	slowClients := make([]*testConn, 5)
	for i := range slowClients {
		slowClients[i] = dial(t, srv)
		slowClients[i].login(t)
		for range 100 {
			slowClients[i].send(t, poll)
		}
	}
	checkBystander()
	require.Eventually(t, func() bool { return len(srv.Connections()) == 2 }, waitTimeout, time.Millisecond)
	checkBystander()
}

// TestSlowReaderStaysConnected reads an answer for longer than the write time-out, which starts
// again with each part that is read.
func TestSlowReaderStaysConnected(t *testing.T) {
	t.Parallel()
	const timeout = time.Second
	srv := start(t, embedded.WithWriteTimeout(timeout))
	c := makeTopic(t, srv, 1)
	require.NoError(t, c.Conn.(*net.TCPConn).SetReadBuffer(64<<10))
	started := time.Now()
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
	require.Greater(t, time.Since(started), timeout)
}

const waitTimeout = 30 * time.Second

// testConn is a client that sends and receives frames.
type testConn struct {
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, srv *embedded.Server) *testConn {
	t.Helper()
	nc, err := net.Dial("tcp", srv.Address())
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(waitTimeout)))
	return &testConn{Conn: nc, r: bufio.NewReaderSize(nc, 1<<16)}
}

func frame(code embedded.Command, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(4+len(body)))
	b = binary.LittleEndian.AppendUint32(b, uint32(code))
	return append(b, body...)
}

func (c *testConn) send(t testing.TB, frames ...[]byte) {
	t.Helper()
	for _, f := range frames {
		_, err := c.Write(f)
		require.NoError(t, err)
	}
}

func (c *testConn) receive(t testing.TB) (embedded.Status, []byte) {
	t.Helper()
	status, body, err := c.tryReceive()
	require.NoError(t, err)
	return status, body
}

func (c *testConn) tryReceive() (embedded.Status, []byte, error) {
	var header [8]byte
	if _, err := io.ReadFull(c.r, header[:]); err != nil {
		return 0, nil, err
	}
	body := make([]byte, binary.LittleEndian.Uint32(header[4:]))
	_, err := io.ReadFull(c.r, body)
	return embedded.Status(binary.LittleEndian.Uint32(header[:])), body, err
}

func (c *testConn) call(t testing.TB, code embedded.Command, body []byte) (embedded.Status, []byte) {
	t.Helper()
	c.send(t, frame(code, body))
	return c.receive(t)
}

func (c *testConn) mustCall(t testing.TB, code embedded.Command, body []byte) []byte {
	t.Helper()
	status, answer := c.call(t, code, body)
	require.Equal(t, embedded.StatusOK, status, "%s", code)
	return answer
}

func (c *testConn) login(t testing.TB) {
	t.Helper()
	c.mustCall(t, embedded.LoginUser, loginBody("iggy", "iggy"))
}

// close closes the connection and waits until the server has removed it.
func (c *testConn) close(t testing.TB, srv *embedded.Server) {
	t.Helper()
	local := c.LocalAddr().String()
	require.NoError(t, c.Close())
	require.Eventually(t, func() bool {
		for _, conn := range srv.Connections() {
			if conn.Remote.String() == local {
				return false
			}
		}
		return true
	}, waitTimeout, time.Millisecond)
}
