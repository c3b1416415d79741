package embedded_test

import (
	"bufio"
	"errors"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// requireClosed requires that the server closes a connection, whatever it has sent before.
func requireClosed(t testing.TB, c *testConn) {
	t.Helper()
	for {
		if _, _, err := c.tryReceive(); err != nil {
			var timeout net.Error
			require.False(t, errors.As(err, &timeout) && timeout.Timeout(), "the connection is still open")
			return
		}
	}
}

func TestConnectionWithoutLoginIsClosed(t *testing.T) {
	t.Parallel()
	for label, begin := range map[string]func(*testConn){
		"nothing sent":      func(*testConn) {},
		"pings":             func(c *testConn) { c.mustCall(t, embedded.Ping, nil) },
		"half a frame":      func(c *testConn) { c.send(t, frame(embedded.LoginUser, loginBody("iggy", "iggy"))[:20]) },
		"a wrong password":  func(c *testConn) { c.call(t, embedded.LoginUser, loginBody("iggy", "wrong")) },
		"logged out again":  func(c *testConn) { c.login(t); c.mustCall(t, embedded.LogoutUser, nil) },
		"a half login, TLS": nil,
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			opts := []embedded.Option{embedded.WithLoginTimeout(100 * time.Millisecond)}
			if begin == nil {
				config, _, err := embedded.SelfSigned()
				require.NoError(t, err)
				requireClosed(t, dial(t, start(t, append(opts, embedded.WithTLS(config))...)))
				return
			}
			srv := start(t, opts...)
			user := dial(t, srv)
			user.login(t)
			c := dial(t, srv)
			begin(c)
			requireClosed(t, c)
			user.mustCall(t, embedded.GetMe, nil)
		})
	}
	srv := start(t, embedded.WithLoginTimeout(0))
	dial(t, srv).login(t)
}

// TestLargeFramesBeforeLoginTakeNoMemory is not parallel: it measures the memory of the process.
func TestLargeFramesBeforeLoginTakeNoMemory(t *testing.T) {
	srv := start(t)
	checkBystander := newBystander(t, srv)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	part := make([]byte, 5<<20)
	commands := []embedded.Command{embedded.LoginUser, embedded.GetStream, embedded.SendMessages, 999}
	for i := range 150 {
		c := dial(t, srv)
		_, err := c.Write(join(u32(10<<20), u32(uint32(commands[i%len(commands)]))))
		require.NoError(t, err)
		_, _ = c.Write(part) // the server may have closed the connection
	}
	checkBystander()
	runtime.ReadMemStats(&after)
	const ofTest = 150 * 64 << 10 // the buffers of the clients
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(20<<20+ofTest))
	c := dial(t, srv)
	c.send(t, join(u32(4+8<<10+1), u32(uint32(embedded.LoginUser))))
	status, _ := c.receive(t)
	require.Equal(t, embedded.StatusInvalidCommand, status)
	requireClosed(t, c)
}

func TestOldestConnectionsWithoutLoginAreClosed(t *testing.T) {
	t.Parallel()
	srv := start(t)
	user := dial(t, srv)
	user.login(t)
	var conns []*testConn
	for range 1024 + 3 {
		nc, err := net.Dial("tcp", srv.Address())
		require.NoError(t, err)
		t.Cleanup(func() { _ = nc.Close() })
		require.NoError(t, nc.SetDeadline(time.Now().Add(waitTimeout)))
		conns = append(conns, &testConn{Conn: nc, r: bufio.NewReaderSize(nc, 16)})
	}
	for _, c := range conns[:3] {
		requireClosed(t, c)
	}
	conns[3].mustCall(t, embedded.Ping, nil)
	user.mustCall(t, embedded.GetMe, nil)
	user.mustCall(t, embedded.LogoutUser, nil)
	requireClosed(t, conns[3]) // the next one in this order
	user.mustCall(t, embedded.Ping, nil)
	user.login(t)
	another := dial(t, srv)
	another.login(t)
	conns[4].mustCall(t, embedded.Ping, nil)
}
