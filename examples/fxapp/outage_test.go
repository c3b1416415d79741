package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestJobSurvivesServerRestart(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t, embedded.WithDirectory(t.TempDir()))
	remote := startFileServer(t)
	g := newGate(50)
	remote.setHold(g.hold)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environment(srv)})
	id := box.submit(t, remote.manifest(200, 0))
	<-g.blocked
	srv.Stop()
	close(g.open)
	srv.Start()
	state := box.waitFinished(t, id)
	require.Equal(t, store.Completed, state.Status)
	require.EqualValues(t, 200, state.Completed)
	box.requireFiles(t, id, 200)
}

func TestJobsAreRefusedWithoutServer(t *testing.T) {
	t.Parallel()
	srv, remote := iggytest.NewServer(t), startFileServer(t)
	env := append(environment(srv), "FETCHBOX__SERVER__PUBLISH_TIMEOUT=500ms", "FETCHBOX__IGGY__RECONNECT__MAX_BACKOFF=300ms", "FETCHBOX__HEALTH__TIMEOUT=500ms", "FETCHBOX__HEALTH__INTERVAL=100ms")
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: env})
	ready := func() int {
		code, _ := box.request(t, http.MethodGet, "/health/ready", http.NoBody)
		return code
	}
	require.Eventually(t, func() bool { return ready() == http.StatusOK }, waitTimeout, 10*time.Millisecond)
	srv.StopListening()
	srv.CutConnections()
	began := time.Now()
	code, answer := box.request(t, http.MethodPost, "/jobs", bytes.NewReader(remote.manifest(3, 0)))
	require.Equal(t, http.StatusServiceUnavailable, code, "%v", answer)
	require.Less(t, time.Since(began), 20*time.Second)
	require.Equal(t, "UNAVAILABLE", answer["error"].(map[string]any)["code"])
	require.Eventually(t, func() bool { return ready() == http.StatusServiceUnavailable }, waitTimeout, 50*time.Millisecond)
	code, _ = box.request(t, http.MethodGet, "/health/live", http.NoBody)
	require.Equal(t, http.StatusOK, code)

	srv.StartListening()
	require.Eventually(t, func() bool { return ready() == http.StatusOK }, waitTimeout, 50*time.Millisecond)
	// Retry like a client that gets a 503: on a busy machine half a second is not always enough.
	var id string
	require.Eventually(t, func() bool {
		code, answer := box.request(t, http.MethodPost, "/jobs", bytes.NewReader(remote.manifest(3, 0)))
		id, _ = answer["job_id"].(string)
		return code == http.StatusAccepted
	}, waitTimeout, 50*time.Millisecond)
	require.Equal(t, store.Completed, box.waitFinished(t, id).Status)
	for name, n := range remote.requestCounts() {
		require.Equal(t, 1, n, "%s: tasks of the refused job must not be processed", name)
	}
}

// A server that keeps everything in memory comes back without topics, groups and offsets.
func TestServiceRecoversFromServerThatLostEverything(t *testing.T) {
	t.Parallel()
	srv, remote := iggytest.NewServer(t), startFileServer(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: append(environment(srv), "FETCHBOX__IGGY__RECONNECT__MAX_BACKOFF=300ms")})
	require.Equal(t, store.Completed, box.waitFinished(t, box.submit(t, remote.manifest(3, 0))).Status)
	srv.Crash()
	srv.Start()
	ready := func() bool {
		code, _ := box.request(t, http.MethodGet, "/health/ready", http.NoBody)
		return code == http.StatusOK
	}
	require.Eventually(t, ready, waitTimeout, 20*time.Millisecond)
	require.Equal(t, store.Completed, box.waitFinished(t, box.submit(t, remote.manifest(5, 0))).Status)
	require.Eventually(t, ready, waitTimeout, 20*time.Millisecond)
}

// Services that are started together with their server, in any order, all come up.
func TestServicesStartBeforeTheirServer(t *testing.T) {
	t.Parallel()
	for _, start := range []string{"wait", "background"} {
		t.Run(start, func(t *testing.T) {
			t.Parallel()
			srv, remote, data := iggytest.NewServer(t), startFileServer(t), t.TempDir()
			srv.StopListening()
			env := append(environment(srv), "FETCHBOX__IGGY__START="+start, "FETCHBOX__IGGY__RECONNECT__MAX_BACKOFF=300ms")
			roles := []app.Role{app.RoleAPI, app.RoleLedger, app.RoleWorker}
			boxes := make([]*process, len(roles))
			var started sync.WaitGroup
			for i, role := range roles {
				boxes[i] = launch(t, data, env, "-role", string(role))
				started.Go(func() { boxes[i].waitStarted(t) })
			}
			time.Sleep(500 * time.Millisecond) // the server's own start
			srv.StartListening()
			started.Wait()
			for _, p := range boxes {
				require.Eventually(t, func() bool {
					code, _ := p.request(t, http.MethodGet, "/health/ready", http.NoBody)
					return code == http.StatusOK
				}, waitTimeout, 20*time.Millisecond)
			}
			front := boxes[0]
			require.Equal(t, store.Completed, front.waitFinished(t, front.submit(t, remote.manifest(5, 0))).Status)
		})
	}
}

// The probes answer while a process waits for its server: an orchestrator must not restart it.
func TestProbesAnswerBeforeTheServerDoes(t *testing.T) {
	t.Parallel()
	for _, role := range []app.Role{app.RoleAPI, app.RoleWorker} {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			srv := iggytest.NewServer(t)
			srv.StopListening()
			env := append(environment(srv), "FETCHBOX__IGGY__START=background", "FETCHBOX__IGGY__RECONNECT__MAX_BACKOFF=300ms")
			box, _ := run(t, app.Options{Data: t.TempDir(), Environ: env, Role: role})
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				require.Equal(t, http.StatusOK, box.status(t, method, "/health/live"), method)
				require.Equal(t, http.StatusServiceUnavailable, box.status(t, method, "/health/ready"), method)
				require.Equal(t, http.StatusOK, box.status(t, method, "/metrics"), method)
			}
			srv.StartListening()
			require.Eventually(t, func() bool { return box.status(t, http.MethodHead, "/health/ready") == http.StatusOK }, waitTimeout, 20*time.Millisecond)
			require.Equal(t, http.StatusOK, box.status(t, http.MethodGet, "/health/ready"))
		})
	}
}

// The offsets of a topic begin at 0 again when it is purged or its server has lost it. The log of a job
// goes on.
func TestLogGoesOnAfterTheServerLostIt(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: append(environment(srv), "FETCHBOX__IGGY__RECONNECT__MAX_BACKOFF=300ms")})
	p := newProducer(t, srv)
	_, err := producer.For(p, jobs.Status).Publish(t.Context(), &jobspb.JobStatus{JobId: "j", State: jobspb.JobState_JOB_STATE_IN_PROGRESS})
	require.NoError(t, err)
	log := producer.For(p, jobs.Logs)
	publish := func(message string) {
		require.Eventually(t, func() bool {
			_, err := log.Publish(t.Context(), &jobspb.JobLog{JobId: "j", Message: message})
			return err == nil
		}, waitTimeout, 20*time.Millisecond)
	}
	require.Eventually(t, func() bool { return box.status(t, http.MethodHead, "/operators/jobs/j/logs") == http.StatusOK }, waitTimeout, 10*time.Millisecond)
	for i := range 3 {
		publish(fmt.Sprintf("m%d", i))
	}
	lines := box.streamLog(t, "j")
	require.Equal(t, []string{"m0", "m1", "m2"}, lines.messages(t, 3))
	srv.Crash()
	srv.Start()
	publish("m3")
	publish("m4")
	require.Equal(t, []string{"m3", "m4"}, lines.messages(t, 2))
	require.Eventually(t, func() bool { return box.status(t, http.MethodGet, "/health/ready") == http.StatusOK }, waitTimeout, 20*time.Millisecond)
}

// logStream is an open log stream of a job.
type logStream struct{ *bufio.Scanner }

func (f *fetchbox) streamLog(t *testing.T, jobID string) logStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitTimeout)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+"/operators/jobs/"+jobID+"/logs", http.NoBody)
	require.NoError(t, err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	return logStream{bufio.NewScanner(response.Body)}
}

// messages returns the messages of the next n entries.
func (s logStream) messages(t *testing.T, n int) (messages []string) {
	t.Helper()
	for len(messages) < n {
		require.True(t, s.Scan(), "the stream ended: %v", messages)
		if data, ok := strings.CutPrefix(s.Text(), "data: "); ok {
			var entry struct{ Message string }
			require.NoError(t, json.Unmarshal([]byte(data), &entry))
			messages = append(messages, entry.Message)
		}
	}
	return messages
}
