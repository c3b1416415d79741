package embedded_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

const waitTimeout = 30 * time.Second

// rawConn speaks frames, below any SDK.
type testConn struct {
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, srv *embedded.Server) *testConn {
	t.Helper()
	nc, err := net.Dial("tcp", srv.Endpoint())
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

func loginBody(user, password string) []byte {
	b := append(name(user), name(password)...)
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
}

// close closes the connection and waits until the server has noticed.
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

func name(s string) []byte { return append([]byte{byte(len(s))}, s...) }
