package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

func TestAJobIsDone(t *testing.T) {
	t.Parallel()
	remote := serveFiles(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environ(nil)})
	id := box.submit(t, remote.manifest(200, 0))
	state := box.finished(t, id)
	require.Equal(t, store.Completed, state.Status)
	require.EqualValues(t, 200, state.Total)
	require.EqualValues(t, 200, state.Completed)
	require.Zero(t, state.Failed)
	require.Empty(t, state.LastError)
	box.requireFiles(t, id, 200)
	for name, n := range remote.counts() {
		require.Equal(t, 1, n, "%s was fetched more than once", name)
	}
}

func TestLostResources(t *testing.T) {
	t.Parallel()
	srv, remote := iggytest.NewServer(t), serveFiles(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environ(srv)})
	some, all := box.submit(t, remote.manifest(10, 3)), box.submit(t, remote.manifest(0, 2))
	state := box.finished(t, some)
	require.Equal(t, store.Partial, state.Status)
	require.EqualValues(t, 10, state.Completed)
	require.EqualValues(t, 3, state.Failed)
	require.Contains(t, state.LastError, "DOWNLOAD_HTTP_4XX")
	require.Contains(t, state.LastError, "404")
	require.Equal(t, store.Failed, box.finished(t, all).Status)
	box.requireFiles(t, some, 10)

	lost := map[string]int{}
	for _, m := range srv.Messages("fetchbox", "jobs.dlq") {
		var letter jobspb.DeadLetterTask
		require.NoError(t, proto.Unmarshal(m.Payload, &letter))
		require.Equal(t, "DOWNLOAD_HTTP_4XX", letter.GetFailureCode())
		require.EqualValues(t, 1, letter.GetAttempts(), "a 404 is not tried again")
		lost[letter.GetTask().GetJobId()+" "+letter.GetTask().GetResourceId()]++
	}
	require.Equal(t, map[string]int{
		some + " missing0": 1, some + " missing1": 1, some + " missing2": 1, all + " missing0": 1, all + " missing1": 1,
	}, lost, "one dead letter per lost resource")
}

func TestLogsAreStreamed(t *testing.T) {
	t.Parallel()
	remote := serveFiles(t)
	box, stop := run(t, app.Options{Data: t.TempDir(), Environ: environ(nil)})
	id := box.submit(t, remote.manifest(3, 1))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, box.url+"/operators/jobs/"+id+"/logs", http.NoBody)
	require.NoError(t, err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	said := map[string]int{}
	for said["stored"] < 3 || said["given up"] < 1 {
		require.True(t, lines.Scan(), "the stream ended: %v", said)
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var log struct{ Message string }
			require.NoError(t, json.Unmarshal([]byte(data), &log))
			said[log.Message]++
		}
	}
	stop() // a listener does not hold up the stop
	for lines.Scan() {
	}
	require.NoError(t, lines.Err(), "the stream was ended, not cut")
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	remote := serveFiles(t)
	data := t.TempDir()
	box, _ := run(t, app.Options{Data: filepath.Join(data, "inner"), Environ: environ(nil)})
	ids := []string{"../../../evil", "..", "/etc/passwd", ".hidden", "a/b", strings.Repeat("ä", 128), "nul\\x"}
	var resources []map[string]string
	for i, id := range ids {
		resources = append(resources, map[string]string{"id": id, "url": fmt.Sprintf("%s/f%d", remote.URL, i)})
	}
	body, err := json.Marshal(map[string]any{"manifest_version": "v1", "metadata": map[string]any{}, "resources": resources})
	require.NoError(t, err)
	id := box.submit(t, body)
	require.Equal(t, store.Completed, box.finished(t, id).Status)
	outside, err := os.ReadDir(data)
	require.NoError(t, err)
	require.Len(t, outside, 1, "nothing is written outside of the data directory")
	for i, resource := range ids {
		got, err := os.ReadFile(filepath.Join(box.data, "resources", "demo", id, store.Name(resource)))
		require.NoError(t, err)
		require.Equal(t, content(fmt.Sprintf("f%d", i)), got)
	}
}

// gate lets some requests through and holds the others until it is opened.
type gate struct {
	mu     sync.Mutex
	free   int
	passed map[string]bool
	open   chan struct{}
	held   chan struct{} // closed when the first one is held
	once   sync.Once
}

func newGate(free int) *gate {
	return &gate{free: free, passed: map[string]bool{}, open: make(chan struct{}), held: make(chan struct{})}
}

func (g *gate) hold(name string) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.passed[name] || g.free > 0 {
		if !g.passed[name] {
			g.free--
			g.passed[name] = true
		}
		passed := make(chan struct{})
		close(passed)
		return passed
	}
	g.once.Do(func() { close(g.held) })
	return g.open
}

func TestSIGTERMInTheMiddleOfAJob(t *testing.T) {
	t.Parallel()
	srv, remote, data := iggytest.NewServer(t), serveFiles(t), t.TempDir()
	g := newGate(80)
	remote.holding(g.hold)
	first := launch(t, data, environ(srv))
	id := first.submit(t, remote.manifest(200, 0))
	<-g.held
	require.Eventually(t, func() bool { return first.state(t, id).Completed >= 80 }, within, 10*time.Millisecond)
	// What is in flight finishes while the process stops.
	time.AfterFunc(200*time.Millisecond, func() { close(g.open) })
	require.NoError(t, first.end(t, syscall.SIGTERM, 15*time.Second), "exit code 0")
	require.Less(t, len(remote.counts()), 200, "the job was not finished")

	second := launch(t, data, environ(srv))
	state := second.finished(t, id)
	require.Equal(t, store.Completed, state.Status)
	require.EqualValues(t, 200, state.Completed)
	second.requireFiles(t, id, 200)
	counts := remote.counts()
	require.Len(t, counts, 200)
	for name, n := range counts {
		require.Equal(t, 1, n, "%s came again after a clean stop", name)
	}
	require.NoError(t, second.end(t, syscall.SIGTERM, 15*time.Second))
}

// Downloads that do not end in time are not waited for, and are done by the next start.
func TestSIGTERMWithDownloadsThatDoNotEnd(t *testing.T) {
	t.Parallel()
	srv, remote, data := iggytest.NewServer(t), serveFiles(t), t.TempDir()
	g := newGate(5)
	remote.holding(g.hold)
	env := append(environ(srv), "FETCHBOX__CONSUMERS__TASKS__DRAIN_TIMEOUT=500ms")
	first := launch(t, data, env)
	id := first.submit(t, remote.manifest(20, 0))
	<-g.held
	require.NoError(t, first.end(t, syscall.SIGTERM, 15*time.Second), "exit code 0")
	close(g.open)
	second := launch(t, data, env)
	require.Equal(t, store.Completed, second.finished(t, id).Status)
	second.requireFiles(t, id, 20)
	require.Empty(t, srv.Messages("fetchbox", "jobs.dlq"), "a stop is not a failure of the task")
}

func TestKillInTheMiddleOfAJob(t *testing.T) {
	t.Parallel()
	srv, remote, data := iggytest.NewServer(t), serveFiles(t), t.TempDir()
	g := newGate(60)
	remote.holding(g.hold)
	first := launch(t, data, environ(srv))
	id := first.submit(t, remote.manifest(100, 2))
	<-g.held
	require.Error(t, first.end(t, syscall.SIGKILL, within))
	close(g.open)

	second := launch(t, data, environ(srv))
	state := second.finished(t, id)
	require.Equal(t, store.Partial, state.Status)
	require.EqualValues(t, 100, state.Completed, "what comes again does not count twice")
	require.EqualValues(t, 2, state.Failed)
	second.requireFiles(t, id, 100)

	// The ledger does not forget, either.
	require.NoError(t, second.end(t, syscall.SIGTERM, 15*time.Second))
	third := launch(t, data, environ(srv))
	again := third.state(t, id)
	require.Equal(t, state, again)
}

func TestTheServerRestartsInTheMiddleOfAJob(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t, embedded.WithDirectory(t.TempDir()))
	remote := serveFiles(t)
	g := newGate(50)
	remote.holding(g.hold)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environ(srv)})
	id := box.submit(t, remote.manifest(200, 0))
	<-g.held
	srv.Stop()
	close(g.open)
	srv.Start()
	state := box.finished(t, id)
	require.Equal(t, store.Completed, state.Status)
	require.EqualValues(t, 200, state.Completed)
	box.requireFiles(t, id, 200)
}

func TestWithoutIggyJobsAreRefused(t *testing.T) {
	t.Parallel()
	srv, remote := iggytest.NewServer(t), serveFiles(t)
	env := append(environ(srv), "FETCHBOX__SERVER__PUBLISH_TIMEOUT=500ms", "FETCHBOX__IGGY__RECONNECT__MAX_BACKOFF=300ms", "FETCHBOX__HEALTH__TIMEOUT=500ms", "FETCHBOX__HEALTH__INTERVAL=100ms")
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: env})
	ready := func() int {
		code, _ := box.request(t, http.MethodGet, "/health/ready", http.NoBody)
		return code
	}
	require.Eventually(t, func() bool { return ready() == http.StatusOK }, within, 10*time.Millisecond)
	srv.StopListening()
	srv.CutConnections()
	began := time.Now()
	code, answer := box.request(t, http.MethodPost, "/jobs", bytes.NewReader(remote.manifest(3, 0)))
	require.Equal(t, http.StatusServiceUnavailable, code, "%v", answer)
	require.Less(t, time.Since(began), 20*time.Second)
	require.Equal(t, "UNAVAILABLE", answer["error"].(map[string]any)["code"])
	require.Eventually(t, func() bool { return ready() == http.StatusServiceUnavailable }, within, 50*time.Millisecond)
	code, _ = box.request(t, http.MethodGet, "/health/live", http.NoBody)
	require.Equal(t, http.StatusOK, code)

	srv.StartListening()
	require.Eventually(t, func() bool { return ready() == http.StatusOK }, within, 50*time.Millisecond)
	// A caller that was told 503 tries again; on a busy machine half a second is not always enough.
	var id string
	require.Eventually(t, func() bool {
		code, answer := box.request(t, http.MethodPost, "/jobs", bytes.NewReader(remote.manifest(3, 0)))
		id, _ = answer["job_id"].(string)
		return code == http.StatusAccepted
	}, within, 50*time.Millisecond)
	require.Equal(t, store.Completed, box.finished(t, id).Status)
	for name, n := range remote.counts() {
		require.Equal(t, 1, n, "%s: the refused job must not be done", name)
	}
}

func TestRolesInProcessesOfTheirOwn(t *testing.T) {
	t.Parallel()
	srv, remote, data := iggytest.NewServer(t), serveFiles(t), t.TempDir()
	start := func(role app.Role) *fetchbox {
		box, _ := run(t, app.Options{Data: data, Role: role, Environ: environ(srv)})
		return box
	}
	front := start(app.RoleAPI)
	ledger := start(app.RoleLedger)
	for range 2 {
		start(app.RoleWorker)
	}
	id := front.submit(t, remote.manifest(100, 4))
	state := front.finished(t, id)
	require.Equal(t, store.Partial, state.Status)
	require.EqualValues(t, 100, state.Completed)
	require.EqualValues(t, 4, state.Failed)
	front.requireFiles(t, id, 100)
	require.Eventually(t, func() bool {
		code, _ := ledger.request(t, http.MethodGet, "/health/ready", http.NoBody)
		return code == http.StatusOK
	}, within, 10*time.Millisecond, "each role has its probes")
}
