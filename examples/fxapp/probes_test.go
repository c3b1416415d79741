package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// probesLine is what the application writes when its address of probes answers.
var probesLine = regexp.MustCompile(`(?m)^Probes and metrics: (http://\S+)$`)

// probes returns the application at its address of probes.
func (f *fetchbox) probes(t *testing.T) *fetchbox {
	t.Helper()
	found := probesLine.FindStringSubmatch(f.output.String())
	require.NotNil(t, found, f.output.String())
	return &fetchbox{url: found[1]}
}

// Requests that hold all connections of the API don't keep probes and metrics waiting.
func TestProbesHaveAnAddressOfTheirOwn(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	env := append(environment(srv), "FETCHBOX__SERVER__PROBE_ADDR=127.0.0.1:0", "FETCHBOX__SERVER__MAX_CONNECTIONS=3", "FETCHBOX__SERVER__MAX_STREAMS=1")
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: env})
	for range 3 {
		c, err := net.Dial("tcp", strings.TrimPrefix(box.url, "http://"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		_, err = fmt.Fprint(c, "POST /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Fetchbox-Job-Type: demo\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n")
		require.NoError(t, err)
		// The server asks for the body, which never comes: the request runs.
		_, err = fmt.Fscanf(c, "HTTP/1.1 100 Continue")
		require.NoError(t, err)
	}
	probes := box.probes(t)
	require.NotEqual(t, box.url, probes.url)
	require.Eventually(t, func() bool { return probes.status(t, http.MethodGet, "/health/ready") == http.StatusOK }, waitTimeout, 10*time.Millisecond)
	for path, want := range map[string]int{
		"/health/live": http.StatusOK, "/health/ready": http.StatusOK, "/metrics": http.StatusOK, "/operators/health": http.StatusOK,
		"/": http.StatusNotFound, "/operators/jobs": http.StatusNotFound,
	} {
		require.Equal(t, want, probes.status(t, http.MethodGet, path), path)
	}
}

// The address of probes answers until the application has stopped: the handler of a task that takes a
// while runs during the stop.
func TestProbesAnswerDuringTheStop(t *testing.T) {
	t.Parallel()
	srv, remote := iggytest.NewServer(t), startFileServer(t)
	g := newGate(0)
	remote.setHold(g.hold)
	box, stop := run(t, app.Options{Data: t.TempDir(), Environ: append(environment(srv), "FETCHBOX__SERVER__PROBE_ADDR=127.0.0.1:0")})
	probes := box.probes(t)
	box.submit(t, remote.manifest(1, 0))
	<-g.blocked
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	// The API is the first to stop.
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(box.url, "http://"))
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}, waitTimeout, 10*time.Millisecond)
	require.Equal(t, http.StatusOK, probes.status(t, http.MethodGet, "/health/live"))
	close(g.open)
	<-stopped
}

// The address of probes answers while the process waits for the server at its start.
func TestProbesAnswerDuringTheStart(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	srv.StopListening()
	out := &addressFinder{found: make(chan string, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		env := append(environment(srv), "FETCHBOX__SERVER__PROBE_ADDR=127.0.0.1:0", "FETCHBOX__IGGY__RECONNECT__MAX_BACKOFF=300ms")
		done <- app.Run(ctx, app.Options{Data: t.TempDir(), Environ: env, Role: app.RoleWorker}, zap.NewNop(), out)
	}()
	require.Eventually(t, func() bool { return probesLine.MatchString(out.String()) }, waitTimeout, 10*time.Millisecond)
	probes := (&fetchbox{output: out}).probes(t)
	require.Equal(t, http.StatusOK, probes.status(t, http.MethodGet, "/health/live"))
	require.Equal(t, http.StatusServiceUnavailable, probes.status(t, http.MethodGet, "/health/ready"))
	require.Empty(t, out.found, "the start waits")
	srv.StartListening()
	<-out.found
	cancel()
	require.NoError(t, <-done)
}
