package main

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

// realEnvironment returns the configuration for a real server, with a stream of its own.
func realEnvironment(t *testing.T) []string {
	t.Helper()
	endpoint := os.Getenv("IGGY_TEST_ENDPOINT")
	if endpoint == "" {
		t.Skip("IGGY_TEST_ENDPOINT names no server (iggy://user:password@host:port)")
	}
	u, err := url.Parse(endpoint)
	require.NoError(t, err)
	password, _ := u.User.Password()
	stream := "fxapp-" + uuid.NewString()
	env := []string{
		"FETCHBOX__SERVER__ADDR=127.0.0.1:0", "FETCHBOX__IGGY__ENDPOINT=iggy://" + u.Host,
		"FETCHBOX__IGGY__CLIENT_ID=" + u.User.Username(), "FETCHBOX__IGGY__CLIENT_SECRET=" + password,
	}
	for _, name := range []string{"TASKS", "STATUS", "LOGS", "DLQ"} {
		env = append(env, "FETCHBOX__TOPICS__"+name+"__STREAM="+stream)
	}
	t.Cleanup(func() {
		cfg, err := config.Load(config.WithPrefix("FETCHBOX"), config.WithEnviron(env[1:4]))
		require.NoError(t, err)
		a, err := admin.New(cfg.Iggy)
		require.NoError(t, err)
		require.NoError(t, a.DeleteStream(context.Background(), stream))
		require.NoError(t, a.Close())
	})
	return env
}

// A job on a real server with a stop in between.
func TestJobOnRealServer(t *testing.T) {
	t.Parallel()
	env := realEnvironment(t)
	remote, data := startFileServer(t), t.TempDir()
	g := newGate(80)
	remote.setHold(g.hold)
	first := startProcess(t, data, env)
	id := first.submit(t, remote.manifest(200, 2))
	<-g.blocked
	time.AfterFunc(200*time.Millisecond, func() { close(g.open) })
	require.NoError(t, first.signalAndWait(t, syscall.SIGTERM, 15*time.Second), "exit code 0")

	second := startProcess(t, data, env)
	state := second.waitFinished(t, id)
	require.Equal(t, store.Partial, state.Status)
	require.EqualValues(t, 200, state.Completed)
	require.EqualValues(t, 2, state.Failed)
	second.requireFiles(t, id, 200)
	for name, n := range remote.requestCounts() {
		require.Equal(t, 1, n, "%s was downloaded again after a clean stop", name)
	}
	require.NoError(t, second.signalAndWait(t, syscall.SIGTERM, 15*time.Second))
}

func TestHostThatAsksForTimeOnRealServer(t *testing.T) {
	t.Parallel()
	testHostThatAsksForTime(t, realEnvironment(t), http.StatusServiceUnavailable)
}
