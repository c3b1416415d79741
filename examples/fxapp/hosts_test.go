package main

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// requestAs sends a request with a Host header, and with an Origin header if it is not empty.
func (f *fetchbox) requestAs(t *testing.T, method, path, host, origin string, body io.Reader) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, f.url+path, body)
	require.NoError(t, err)
	r.Host = host
	r.Header.Set("X-Fetchbox-Job-Type", "demo")
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// A page of another name, which an attacker resolves to this process, neither reads nor submits jobs.
func TestUnknownHostsAreRefused(t *testing.T) {
	t.Parallel()
	srv, remote, data := iggytest.NewServer(t), startFileServer(t), t.TempDir()
	start := func(role app.Role) *fetchbox {
		env := append(environment(srv), "FETCHBOX__SERVER__HOSTS=fetchbox.example.com,other.example.com")
		box, _ := run(t, app.Options{Data: data, Role: role, Environ: env})
		return box
	}
	front, worker := start(app.RoleAPI), start(app.RoleWorker)
	manifest := remote.manifest(1, 0)
	for host, want := range map[string]int{
		"localhost:8080": http.StatusOK, "fetchbox.example.com": http.StatusOK, "other.example.com": http.StatusOK,
		"rebound.example.net:8080": http.StatusForbidden,
	} {
		require.Equal(t, want, front.requestAs(t, http.MethodGet, "/operators/jobs", host, "", http.NoBody), host)
		require.Equal(t, want, front.requestAs(t, http.MethodGet, "/", host, "", http.NoBody), host)
		require.Equal(t, want, worker.requestAs(t, http.MethodGet, "/operators/health", host, "", http.NoBody), host)
		for _, box := range []*fetchbox{front, worker} {
			require.Equal(t, http.StatusOK, box.requestAs(t, http.MethodGet, "/health/live", host, "", http.NoBody), host)
		}
		if want == http.StatusOK {
			want = http.StatusAccepted
		}
		require.Equal(t, want, front.requestAs(t, http.MethodPost, "/jobs", host, "", bytes.NewReader(manifest)), host)
	}
	require.Equal(t, http.StatusForbidden, front.requestAs(t, http.MethodPost, "/jobs", "localhost:8080", "http://evil.example.net", bytes.NewReader(manifest)))
}

// The dead letters of a job are listed, and replayed once.
func TestDeadLettersOfJobAreReplayed(t *testing.T) {
	t.Parallel()
	remote := startFileServer(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environment(nil)})
	id := box.submit(t, remote.manifest(1, 2))
	require.Equal(t, store.Partial, box.waitFinished(t, id).Status)
	remote.setFound()
	states := func() (states []any) {
		code, answer := box.request(t, http.MethodGet, "/operators/jobs/"+id+"/dead-letters", http.NoBody)
		require.Equal(t, http.StatusOK, code, "%v", answer)
		require.Equal(t, 2.0, answer["total"])
		for _, l := range answer["dead_letters"].([]any) {
			states = append(states, l.(map[string]any)["state"])
		}
		return states
	}
	require.Equal(t, []any{"open", "open"}, states())
	replay := func() map[string]any {
		code, answer := box.request(t, http.MethodPost, "/operators/jobs/"+id+"/replay", http.NoBody)
		require.Equal(t, http.StatusOK, code, "%v", answer)
		return answer
	}
	require.Equal(t, map[string]any{"replayed": 2.0, "skipped": 0.0, "failed": 0.0}, replay())
	require.Equal(t, []any{"replayed", "replayed"}, states())
	require.Equal(t, map[string]any{"replayed": 0.0, "skipped": 0.0, "failed": 0.0}, replay())
	require.Eventually(t, func() bool { return box.state(t, id).Status == store.Completed }, waitTimeout, 10*time.Millisecond)
}
