package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

func TestJobCompletes(t *testing.T) {
	t.Parallel()
	remote := startFileServer(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environment(nil)})
	id := box.submit(t, remote.manifest(200, 0))
	state := box.waitFinished(t, id)
	require.Equal(t, store.Completed, state.Status)
	require.EqualValues(t, 200, state.Total)
	require.EqualValues(t, 200, state.Completed)
	require.Zero(t, state.Failed)
	require.Empty(t, state.LastError)
	box.requireFiles(t, id, 200)
	for name, n := range remote.requestCounts() {
		require.Equal(t, 1, n, "%s was downloaded more than once", name)
	}
}

func TestFailedResourcesHaveOneDeadLetterEach(t *testing.T) {
	t.Parallel()
	srv, remote := iggytest.NewServer(t), startFileServer(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environment(srv)})
	some, all := box.submit(t, remote.manifest(10, 3)), box.submit(t, remote.manifest(0, 2))
	state := box.waitFinished(t, some)
	require.Equal(t, store.Partial, state.Status)
	require.EqualValues(t, 10, state.Completed)
	require.EqualValues(t, 3, state.Failed)
	require.Contains(t, state.LastError, "DOWNLOAD_HTTP_4XX")
	require.Contains(t, state.LastError, "404")
	require.Equal(t, store.Failed, box.waitFinished(t, all).Status)
	box.requireFiles(t, some, 10)

	deadLetters := map[string]int{}
	for _, m := range srv.Messages("fetchbox", "jobs.dlq") {
		var letter jobspb.DeadLetterTask
		require.NoError(t, proto.Unmarshal(m.Payload, &letter))
		require.Equal(t, "DOWNLOAD_HTTP_4XX", letter.GetFailureCode())
		require.EqualValues(t, 1, letter.GetAttempts(), "a 404 is not retried")
		deadLetters[letter.GetTask().GetJobId()+" "+letter.GetTask().GetResourceId()]++
	}
	require.Equal(t, map[string]int{
		some + " missing0": 1, some + " missing1": 1, some + " missing2": 1, all + " missing0": 1, all + " missing1": 1,
	}, deadLetters, "one dead letter per failed resource")
}

// A server that asks for time gets it, while the other tasks of the job go on.
func TestTaskOfABusyServerIsParked(t *testing.T) {
	t.Parallel()
	srv, remote := iggytest.NewServer(t), startFileServer(t)
	env := append(environment(srv), "FETCHBOX__CONSUMERS__TASKS__PARK_AFTER=1s")
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: env})
	busy := fmt.Sprintf(`{"manifest_version": "v1", "metadata": {}, "resources": [{"id": "busy", "url": "%[1]s/busy"}, {"id": "f0", "url": "%[1]s/f0"}]}`, remote.URL)
	began := time.Now()
	id := box.submit(t, []byte(busy))
	state := box.waitFinished(t, id)
	require.Equal(t, store.Completed, state.Status)
	require.GreaterOrEqual(t, time.Since(began), 2*time.Second)
	require.Equal(t, map[string]int{"busy": 2, "f0": 1}, remote.requestCounts())
	parked := srv.Messages("fetchbox", "jobs.tasks.workers.parked")
	require.NotEmpty(t, parked)
	require.Equal(t, "1", parked[0].Header("parked-attempts"))
}

func TestLogIsStreamed(t *testing.T) {
	t.Parallel()
	remote := startFileServer(t)
	box, stop := run(t, app.Options{Data: t.TempDir(), Environ: environment(nil)})
	id := box.submit(t, remote.manifest(3, 1))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, box.url+"/operators/jobs/"+id+"/logs", http.NoBody)
	require.NoError(t, err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	logged := map[string]int{}
	for logged["stored"] < 3 || logged["given up"] < 1 {
		require.True(t, lines.Scan(), "the stream ended: %v", logged)
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var log struct{ Message string }
			require.NoError(t, json.Unmarshal([]byte(data), &log))
			logged[log.Message]++
		}
	}
	stop() // an open stream does not delay the stop
	for lines.Scan() {
	}
	require.NoError(t, lines.Err(), "the stream ended cleanly")
}

func TestResourceIDsStayInsideDataDirectory(t *testing.T) {
	t.Parallel()
	remote := startFileServer(t)
	data := t.TempDir()
	box, _ := run(t, app.Options{Data: filepath.Join(data, "inner"), Environ: environment(nil)})
	ids := []string{"../../../evil", "..", "/etc/passwd", ".hidden", "a/b", strings.Repeat("ä", 128), "nul\\x"}
	var resources []map[string]string
	for i, id := range ids {
		resources = append(resources, map[string]string{"id": id, "url": fmt.Sprintf("%s/f%d", remote.URL, i)})
	}
	body, err := json.Marshal(map[string]any{"manifest_version": "v1", "metadata": map[string]any{}, "resources": resources})
	require.NoError(t, err)
	id := box.submit(t, body)
	require.Equal(t, store.Completed, box.waitFinished(t, id).Status)
	outside, err := os.ReadDir(data)
	require.NoError(t, err)
	require.Len(t, outside, 1, "nothing is written outside of the data directory")
	for i, resource := range ids {
		got, err := os.ReadFile(filepath.Join(box.data, "resources", "demo", id, store.FileName(resource)))
		require.NoError(t, err)
		require.Equal(t, fileContent(fmt.Sprintf("f%d", i)), got)
	}
}

// The page of the example names each directory in the data directory, and files stay after a stop.
func TestDataDirectoryIsDescribed(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/example.md")
	require.NoError(t, err)
	remote, data := startFileServer(t), t.TempDir()
	box, stop := run(t, app.Options{Data: data, Environ: environment(nil)})
	id := box.submit(t, remote.manifest(2, 1))
	box.waitFinished(t, id)
	// The log of a job comes through a topic of its own.
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(data, "logs"))
		return err == nil
	}, waitTimeout, 10*time.Millisecond)
	stop()
	entries, err := os.ReadDir(data)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		require.True(t, e.IsDir(), e.Name())
		require.Contains(t, string(page), "`"+e.Name()+"/`")
		names = append(names, e.Name())
	}
	require.Subset(t, names, []string{"resources", "failures", "manifests", "ledger", "logs", "iggy"})
}
