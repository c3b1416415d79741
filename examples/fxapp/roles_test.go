package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

func TestRolesRunSeparately(t *testing.T) {
	t.Parallel()
	srv, remote, data := iggytest.NewServer(t), startFileServer(t), t.TempDir()
	start := func(role app.Role) *fetchbox {
		box, _ := run(t, app.Options{Data: data, Role: role, Environ: environment(srv)})
		return box
	}
	front := start(app.RoleAPI)
	ledger := start(app.RoleLedger)
	for range 2 {
		start(app.RoleWorker)
	}
	id := front.submit(t, remote.manifest(100, 4))
	state := front.waitFinished(t, id)
	require.Equal(t, store.Partial, state.Status)
	require.EqualValues(t, 100, state.Completed)
	require.EqualValues(t, 4, state.Failed)
	front.requireFiles(t, id, 100)
	require.Eventually(t, func() bool {
		code, _ := ledger.request(t, http.MethodGet, "/health/ready", http.NoBody)
		return code == http.StatusOK
	}, waitTimeout, 10*time.Millisecond, "each role serves its probes")
}
