package embedded_test

import (
	"context"
	"io"
	"log"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // the SDK logs every login
	goleak.VerifyTestMain(m)
}

func TestRestartAtSameAddress(t *testing.T) {
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
