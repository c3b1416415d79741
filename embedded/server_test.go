package embedded_test

import (
	"context"
	"io"
	"log"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // the SDK logs every login
	goleak.VerifyTestMain(m)
}

func TestServerComesBackAtItsAddress(t *testing.T) {
	t.Parallel()
	first, err := embedded.Start()
	require.NoError(t, err)
	address := first.Endpoint()
	c := dial(t, first)
	c.login(t)
	require.NoError(t, first.Stop(context.Background()))
	require.NoError(t, first.Stop(context.Background()), "stopping twice is allowed")
	status, _ := c.receive(t)
	require.Equal(t, embedded.StatusDisconnected, status, "what the real server says on SIGTERM")
	_, _, err = c.tryReceive()
	require.ErrorIs(t, err, io.EOF)

	second := start(t, embedded.WithAddress(address))
	require.Equal(t, address, second.Endpoint())
	dial(t, second).login(t)
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	srv := start(t)
	_, err := embedded.Start(embedded.WithAddress(srv.Endpoint()))
	require.ErrorContains(t, err, srv.Endpoint())
}

func TestCrashResetsConnections(t *testing.T) {
	t.Parallel()
	srv, err := embedded.Start()
	require.NoError(t, err)
	c := dial(t, srv)
	c.login(t)
	srv.Crash()
	_, _, err = c.tryReceive()
	require.Error(t, err)
	require.Empty(t, srv.Connections())
}

func TestStopListening(t *testing.T) {
	t.Parallel()
	srv := start(t)
	c := dial(t, srv)
	srv.StopListening()
	srv.StopListening()
	_, err := net.Dial("tcp", srv.Endpoint())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	c.login(t)
	require.NoError(t, srv.StartListening())
	require.NoError(t, srv.StartListening())
	dial(t, srv).login(t)
	stop(t, srv)
	require.ErrorIs(t, srv.StartListening(), embedded.ErrClosed)
}

func TestCutConnections(t *testing.T) {
	t.Parallel()
	srv := start(t)
	kept, cut := dial(t, srv), dial(t, srv)
	kept.login(t)
	cut.login(t)
	n := srv.CutConnections(func(c embedded.Connection) bool { return c.Remote.String() == cut.LocalAddr().String() })
	require.Equal(t, 1, n)
	_, _, err := cut.tryReceive()
	require.Error(t, err)
	kept.must(t, embedded.Ping, nil)
	require.Eventually(t, func() bool { return len(srv.Connections()) == 1 }, patience, time.Millisecond)
}
