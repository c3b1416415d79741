package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

// waitTimeout bounds the wait for an event.
const waitTimeout = 60 * time.Second

// fetchbox is a running application, in this process or in a child process.
type fetchbox struct {
	url    string
	data   string
	output fmt.Stringer // what the application has written
}

// addressFinder finds the address of the application in its output.
type addressFinder struct {
	mu     sync.Mutex
	output strings.Builder
	found  chan string
}

func (a *addressFinder) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.output.Write(p)
	for line := range strings.Lines(a.output.String()) {
		if strings.HasPrefix(line, "http://") && strings.HasSuffix(line, "\n") {
			select {
			case a.found <- strings.TrimSpace(line):
			default:
			}
			break
		}
	}
	return len(p), nil
}

func (a *addressFinder) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.output.String()
}

// environment returns the configuration for a server, nil for the embedded one.
func environment(server interface{ Address() string }) []string {
	env := []string{"FETCHBOX__SERVER__ADDR=127.0.0.1:0"}
	if server != nil {
		env = append(env, "FETCHBOX__IGGY__ENDPOINT=iggy://"+server.Address(), "FETCHBOX__IGGY__CLIENT_ID=iggy", "FETCHBOX__IGGY__CLIENT_SECRET=iggy")
	}
	return env
}

// run runs the application in this process. stop ends it, and so does the end of the test.
func run(t *testing.T, o app.Options) (f *fetchbox, stop func()) {
	t.Helper()
	if o.Role == "" {
		o.Role = app.RoleAll
	}
	ctx, cancel := context.WithCancel(context.Background())
	out := &addressFinder{found: make(chan string, 1)}
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx, o, zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)), out) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}
	t.Cleanup(stop)
	select {
	case url := <-out.found:
		return &fetchbox{url: url, data: o.Data, output: out}, stop
	case err := <-done:
		done <- nil
		require.FailNow(t, "the application did not start", "%v", err)
	case <-time.After(waitTimeout):
		require.FailNow(t, "the application did not start in time")
	}
	return nil, nil
}

func (f *fetchbox) request(t *testing.T, method, path string, body io.Reader) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, f.url+path, body)
	require.NoError(t, err)
	r.Header.Set("X-Fetchbox-Job-Type", "demo")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var answer map[string]any
	require.NoError(t, json.Unmarshal(b, &answer), "%s", b)
	return response.StatusCode, answer
}

// status returns the status code of the response to a request without a body.
func (f *fetchbox) status(t *testing.T, method, path string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, f.url+path, http.NoBody)
	require.NoError(t, err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// submit submits a job and returns its id.
func (f *fetchbox) submit(t *testing.T, manifest []byte) string {
	t.Helper()
	code, answer := f.request(t, http.MethodPost, "/jobs", bytes.NewReader(manifest))
	require.Equal(t, http.StatusAccepted, code, "%v", answer)
	return answer["job_id"].(string)
}

func (f *fetchbox) state(t *testing.T, id string) store.State {
	t.Helper()
	code, answer := f.request(t, http.MethodGet, "/operators/jobs/"+id, http.NoBody)
	require.Equal(t, http.StatusOK, code, "%v", answer)
	b, err := json.Marshal(answer)
	require.NoError(t, err)
	var state store.State
	require.NoError(t, json.Unmarshal(b, &state))
	return state
}

// waitFinished waits until the job is finished and returns its state.
func (f *fetchbox) waitFinished(t *testing.T, id string) store.State {
	t.Helper()
	var state store.State
	require.Eventually(t, func() bool {
		state = f.state(t, id)
		return state.Status != store.Queued && state.Status != store.InProgress
	}, waitTimeout, 10*time.Millisecond, "the job is not finished")
	return state
}

// requireFiles requires that the job's directory holds the files f0 to f(n-1), byte for byte, and
// no others.
func (f *fetchbox) requireFiles(t *testing.T, id string, n int) {
	t.Helper()
	dir := filepath.Join(f.data, "resources", "demo", id)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, n)
	for i := range n {
		name := fmt.Sprintf("f%d", i)
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, fileContent(name), got, name)
	}
}
