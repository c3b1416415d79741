package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
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

// within is how long a test waits for what must happen.
const within = 60 * time.Second

// files is a server of resources that counts what it is asked for.
type files struct {
	*httptest.Server
	mu   sync.Mutex
	got  map[string]int
	hold func(name string) <-chan struct{} // what an answer waits for; nil: nothing
}

func serveFiles(t *testing.T) *files {
	t.Helper()
	f := &files{got: map[string]int{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		f.mu.Lock()
		f.got[name]++
		hold := f.hold
		f.mu.Unlock()
		if hold != nil {
			select {
			case <-hold(name):
			case <-r.Context().Done():
				return
			}
		}
		if strings.HasPrefix(name, "missing") {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(content(name))
	}))
	t.Cleanup(f.Close)
	return f
}

// content is a file's, of a size that differs.
func content(name string) []byte {
	return bytes.Repeat([]byte(name+"\n"), 1+len(name)*int(name[len(name)-1])%997)
}

func (f *files) counts() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts := make(map[string]int, len(f.got))
	for name, n := range f.got {
		counts[name] = n
	}
	return counts
}

func (f *files) holding(hold func(name string) <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hold = hold
}

// manifest has n resources that are there, and m that are not.
func (f *files) manifest(n, m int) []byte {
	type resource struct {
		ID  string `json:"id"`
		URL string `json:"url"`
	}
	var resources []resource
	for i := range n {
		resources = append(resources, resource{fmt.Sprintf("f%d", i), fmt.Sprintf("%s/f%d", f.URL, i)})
	}
	for i := range m {
		resources = append(resources, resource{fmt.Sprintf("missing%d", i), fmt.Sprintf("%s/missing%d", f.URL, i)})
	}
	b, _ := json.Marshal(map[string]any{"manifest_version": "v1", "metadata": map[string]any{}, "resources": resources})
	return b
}

// fetchbox is a running application, in this process or another one.
type fetchbox struct {
	url  string
	data string
}

// address finds in what the application says where it listens.
type address struct {
	mu    sync.Mutex
	all   strings.Builder
	found chan string
}

func (a *address) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all.Write(p)
	if _, rest, ok := strings.Cut(a.all.String(), "listens on "); ok {
		if url, _, whole := strings.Cut(rest, "\n"); whole {
			select {
			case a.found <- url:
			default:
			}
		}
	}
	return len(p), nil
}

func (a *address) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all.String()
}

// environ is the configuration for a server; none: the embedded one.
func environ(server interface{ Endpoint() string }) []string {
	env := []string{"FETCHBOX__SERVER__ADDR=127.0.0.1:0"}
	if server != nil {
		env = append(env, "FETCHBOX__IGGY__ENDPOINT=iggy://"+server.Endpoint(), "FETCHBOX__IGGY__CLIENT_ID=iggy", "FETCHBOX__IGGY__CLIENT_SECRET=iggy")
	}
	return env
}

// run runs the application in this process; stop ends it, which the test's end does, too.
func run(t *testing.T, o app.Options) (f *fetchbox, stop func()) {
	t.Helper()
	if o.Role == "" {
		o.Role = app.RoleAll
	}
	ctx, cancel := context.WithCancel(context.Background())
	out := &address{found: make(chan string, 1)}
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
		return &fetchbox{url: url, data: o.Data}, stop
	case err := <-done:
		done <- nil
		require.FailNow(t, "it did not start", "%v", err)
	case <-time.After(within):
		require.FailNow(t, "it did not start in time")
	}
	return nil, nil
}

// process is the application as a process of its own.
type process struct {
	fetchbox
	cmd    *exec.Cmd
	stderr *bytes.Buffer
	done   chan error
}

func program(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	// A program under the race detector sleeps a second before it exits, unless it is told not to.
	cmd.Env = append([]string{child + "=1", "GORACE=atexit_sleep_ms=0", "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	cmd.Dir = t.TempDir()
	return cmd
}

func launch(t *testing.T, data string, env []string) *process {
	t.Helper()
	p := &process{
		fetchbox: fetchbox{data: data}, stderr: new(bytes.Buffer), done: make(chan error, 1),
		cmd: program(t, env, "-data", data, "-log", "warn"),
	}
	out := &address{found: make(chan string, 1)}
	p.cmd.Stdout, p.cmd.Stderr = out, p.stderr
	require.NoError(t, p.cmd.Start())
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("standard error of the process:\n%s", p.stderr)
		}
	})
	select {
	case p.url = <-out.found:
	case err := <-p.done:
		p.done <- err
		require.FailNow(t, "it did not start", "%v: %s", err, p.stderr)
	case <-time.After(within):
		require.FailNow(t, "it did not start in time")
	}
	return p
}

// end sends a signal and waits for the process to end.
func (p *process) end(t *testing.T, signal os.Signal, limit time.Duration) error {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(signal))
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(limit):
		require.FailNow(t, "it did not end in time")
		return nil
	}
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

// submit submits a job and gives its id.
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

// finished waits until the job is finished.
func (f *fetchbox) finished(t *testing.T, id string) store.State {
	t.Helper()
	var state store.State
	require.Eventually(t, func() bool {
		state = f.state(t, id)
		return state.Status != store.Queued && state.Status != store.InProgress
	}, within, 10*time.Millisecond, "the job is not finished")
	return state
}

// requireFiles checks that the job's directory holds these files of f, byte for byte, and no others.
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
		require.Equal(t, content(name), got, name)
	}
}
