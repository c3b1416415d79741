package health_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// Readiness falls when the server is away, and comes back with it; liveness stays.
func TestProbesOfAServer(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	cfg := config.Default().Iggy
	cfg.Endpoint = "iggy://" + server.Endpoint()
	cfg.ClientID, cfg.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
	a, err := admin.New(cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, a.Close()) }()
	r, err := health.NewRegistry(config.Health{Timeout: 20 * time.Second})
	require.NoError(t, err)
	require.NoError(t, r.Register(health.Ping("iggy", a.Ping)))
	h := health.NewHandler(r)

	probes := func(ready int) string {
		require.Equal(t, http.StatusOK, probe(h, http.MethodGet, health.LivePath).Code)
		w := probe(h, http.MethodGet, health.ReadyPath)
		require.Equal(t, ready, w.Code, w.Body)
		return w.Body.String()
	}
	probes(http.StatusOK)
	server.Crash()
	require.Contains(t, probes(http.StatusServiceUnavailable), server.Endpoint(), "the error names the server")
	server.Start()
	probes(http.StatusOK)
	require.NoError(t, r.Stop(t.Context()))
}
