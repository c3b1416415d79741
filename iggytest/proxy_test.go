package iggytest_test

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

func TestRefuseAndStopListening(t *testing.T) {
	t.Parallel()
	proxy := iggytest.NewProxy(t, start(t).Address())
	fault := proxy.Inject(iggytest.Refuse().Times(1))
	nc, err := net.Dial("tcp", proxy.Address())
	if err == nil {
		_, err = nc.Read(make([]byte, 1))
		_ = nc.Close()
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
	fault.Wait(1)
	conn := dial(t, proxy.Address())
	require.Equal(t, embedded.StatusOK, conn.status(t, embedded.Ping, nil))

	proxy.StopListening()
	_, err = net.Dial("tcp", proxy.Address())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.Equal(t, embedded.StatusOK, conn.status(t, embedded.Ping, nil), "open connections stay")
	proxy.StopListening()
	proxy.StartListening()
	proxy.StartListening()
	require.Equal(t, embedded.StatusOK, dial(t, proxy.Address()).status(t, embedded.Ping, nil))
}

// TestPortStaysReserved expects that no outgoing connection can use the port while the proxy does
// not listen.
func TestPortStaysReserved(t *testing.T) {
	t.Parallel()
	srv := start(t)
	proxy := iggytest.NewProxy(t, srv.Address())
	proxy.StopListening()
	own, err := net.ResolveTCPAddr("tcp", proxy.Address())
	require.NoError(t, err)
	_, err = (&net.Dialer{LocalAddr: own}).Dial("tcp", srv.Address())
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	proxy.StartListening()
	require.Equal(t, embedded.StatusOK, dial(t, proxy.Address()).status(t, embedded.Ping, nil))
}
