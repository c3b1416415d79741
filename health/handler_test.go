package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

func probe(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t)
		h := health.NewHandler(r)
		up := true
		require.NoError(t, r.Register(health.Ping("connection", func(context.Context) error {
			if !up {
				return errors.New("connection refused")
			}
			return nil
		}), &component{name: "tasks", result: health.Result{Status: health.Up, Detail: struct {
			InFlight int `json:"in_flight"`
		}{3}}}))

		w := probe(h, http.MethodGet, health.ReadyPath)
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.JSONEq(t, `{"status": "up", "components": {
			"connection": {"status": "up", "since": "2000-01-01T00:00:00Z", "checked": "2000-01-01T00:00:00Z"},
			"tasks": {"status": "up", "since": "2000-01-01T00:00:00Z", "checked": "2000-01-01T00:00:00Z", "detail": {"in_flight": 3}}
		}}`, utc(t, w.Body.Bytes()))

		up = false
		time.Sleep(time.Minute)
		w = probe(h, http.MethodGet, health.ReadyPath)
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		var report health.Report
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &report))
		require.Equal(t, health.Down, report.Status)
		require.Equal(t, health.Down, report.Components["connection"].Status)
		require.Equal(t, "connection refused", report.Components["connection"].LastError)
		require.Equal(t, health.Up, report.Components["tasks"].Status)

		w = probe(h, http.MethodGet, health.LivePath)
		require.Equal(t, http.StatusOK, w.Code)
		require.JSONEq(t, `{"status": "up"}`, w.Body.String())

		up = true
		time.Sleep(time.Minute)
		require.Equal(t, http.StatusOK, probe(h, http.MethodGet, health.ReadyPath).Code)
		r.Drain()
		require.Equal(t, http.StatusServiceUnavailable, probe(h, http.MethodGet, health.ReadyPath).Code)
		require.Equal(t, http.StatusOK, probe(h, http.MethodGet, health.LivePath).Code)
		require.NoError(t, r.Stop(t.Context()))
	})
}

// utc is a body with its times in UTC, whatever the machine's zone.
func utc(t *testing.T, body []byte) string {
	t.Helper()
	var report health.Report
	require.NoError(t, json.Unmarshal(body, &report))
	for name, c := range report.Components {
		c.Since, c.Checked = c.Since.UTC(), c.Checked.UTC()
		report.Components[name] = c
	}
	text, err := json.Marshal(report)
	require.NoError(t, err)
	return string(text)
}

func TestProbesOverHTTP(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	require.NoError(t, r.Register(&component{name: "down"}))
	mux := http.NewServeMux()
	health.NewHandler(r).Register(mux)
	server := httptest.NewServer(mux)
	defer server.Close()
	client := server.Client()
	for path, want := range map[string]int{health.LivePath: http.StatusOK, health.ReadyPath: http.StatusServiceUnavailable, "/health/other": http.StatusNotFound} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
			require.NoError(t, err)
			resp, err := client.Do(req)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, want, resp.StatusCode, "%s %s", method, path)
			require.Equal(t, method == http.MethodHead, len(body) == 0, "%s %s", method, path)
		}
	}
	w := probe(mux, http.MethodPost, health.ReadyPath)
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
}

func TestStuckCheckerDoesNotBlockProbe(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	r, err := health.NewRegistry(config.Health{Timeout: 20 * time.Millisecond})
	require.NoError(t, err)
	require.NoError(t, r.Register(health.Ping("stuck", func(context.Context) error { <-release; return nil })))
	h := health.NewHandler(r)
	for range 3 {
		require.Equal(t, http.StatusServiceUnavailable, probe(h, http.MethodGet, health.ReadyPath).Code)
	}
	close(release)
	require.NoError(t, r.Stop(t.Context()))
}

// The readiness follows the server; the liveness does not.
func TestReadinessFollowsServer(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	cfg := config.Default().Iggy
	cfg.Endpoint = server.Endpoint()
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
	require.Contains(t, probes(http.StatusServiceUnavailable), server.Address(), "the error names the server")
	server.Start()
	probes(http.StatusOK)
	require.NoError(t, r.Stop(t.Context()))
}
