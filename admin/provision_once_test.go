package admin_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// One call creates what a service needs, also when the server is not there at first.
func TestProvisionInOneCall(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	cfg := settings(server.Address())
	cfg.Reconnect.BaseBackoff = time.Millisecond
	orders := topic.New("shop", "orders", topic.Bytes(), topic.WithSettings[[]byte](topic.Settings{Partitions: 3}))
	spec := admin.Spec{admin.Of(orders, config.DefaultConsumer("billing").Groups()...)}
	lost := server.Inject(iggytest.Cut().On(embedded.LoginUser).Times(2))
	report, err := admin.Provision(newContext(t), cfg, spec)
	require.NoError(t, err)
	require.Equal(t, 2, lost.Count())
	require.Len(t, report.Created(), 4)
	report, err = admin.Provision(newContext(t), cfg, spec)
	require.NoError(t, err)
	require.Empty(t, report.Created())
	server.WaitFor("its connections to close", func() bool { return server.Connections() == 0 })

	wrong := cfg
	wrong.ClientSecret = config.NewSecret("wrong")
	_, err = admin.Provision(newContext(t), wrong, spec)
	require.ErrorIs(t, err, iggyerr.ErrCredentials)
	_, err = admin.Provision(newContext(t), config.Default().Iggy, spec)
	require.ErrorContains(t, err, "iggy.client_id: must be set")
	away := settings("iggy://127.0.0.1:1")
	away.StartTimeout = 20 * time.Millisecond
	_, err = admin.Provision(newContext(t), away, spec)
	require.ErrorContains(t, err, "not done within the start timeout of 20ms")
}
