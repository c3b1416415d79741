package admin_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

func TestPingWithoutServerFails(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	a := newAdmin(t, settings(l.Addr().String()))
	err = a.Ping(newContext(t))
	var broken *iggyerr.ConnError
	require.ErrorAs(t, err, &broken)
	require.ErrorContains(t, err, l.Addr().String())
}

func TestPingWithWrongPasswordFails(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		cfg.ClientSecret = config.NewSecret("wrong and secret")
		err := newAdmin(t, cfg).Ping(newContext(t))
		require.ErrorIs(t, err, iggyerr.ErrCredentials)
		require.NotContains(t, err.Error(), "wrong and secret")
	})
}

func TestPingAndReadServer(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		a := newAdmin(t, cfg)
		require.NoError(t, a.Ping(newContext(t)))
		server, err := a.Server(newContext(t))
		require.NoError(t, err)
		require.NotEmpty(t, server.Version)
		require.Positive(t, server.Clients)
	})
}
