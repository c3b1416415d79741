package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/api"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/overview"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/progress"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakePublisher keeps what the API publishes.
type fakePublisher struct {
	mu        sync.Mutex
	published []string
	tasks     []*jobspb.DownloadTask
	statuses  []*jobspb.JobStatus
	taskErr   error
	delay     time.Duration
}

func (p *fakePublisher) PublishDownloadTasks(_ context.Context, tasks []*jobspb.DownloadTask, _ ...producer.PublishOption) error {
	time.Sleep(p.delay)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, task := range tasks {
		if err := jobs.ValidateTask(task); err != nil {
			return err
		}
	}
	if p.taskErr != nil {
		return p.taskErr
	}
	p.published = append(p.published, "tasks")
	p.tasks = append(p.tasks, tasks...)
	return nil
}

func (p *fakePublisher) PublishJobStatus(_ context.Context, status *jobspb.JobStatus, _ ...producer.PublishOption) (producer.Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := jobs.ValidateStatus(status); err != nil {
		return producer.Result{}, err
	}
	p.published = append(p.published, "status")
	p.statuses = append(p.statuses, status)
	return producer.Result{}, nil
}

type fixture struct {
	*httptest.Server
	publisher *fakePublisher
	topicsErr error
	store     *store.Store
	dir       string // of the store
	replayErr error
	logs      *observer.ObservedLogs
	replayed  []string // jobs
	letters   []api.DeadLetter
}

const maxStreams = 20

func start(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	core, logs := observer.New(zap.InfoLevel)
	f := &fixture{publisher: &fakePublisher{}, store: s, dir: dir, logs: logs}
	respond := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	}
	f.Server = httptest.NewServer(api.New(api.Params{
		Publisher: f.publisher, Store: s, PublishTimeout: 10 * time.Second,
		Progress: progress.New(s, func(ctx context.Context, status *jobspb.JobStatus) error {
			_, err := f.publisher.PublishJobStatus(ctx, status)
			return err
		}),
		Topics: func(context.Context) ([]overview.Topic, error) {
			return []overview.Topic{{Stream: "s", Name: "t", Groups: []overview.Group{{Name: "g", Lag: 3}}}}, f.topicsErr
		},
		MaxStreams: maxStreams, Log: zap.New(core),
		DeadLetters: func(context.Context, string) ([]api.DeadLetter, int, error) {
			return f.letters, 7, f.replayErr
		},
		Replay: func(_ context.Context, jobID string) (api.Replayed, error) {
			f.replayed = append(f.replayed, jobID)
			return api.Replayed{Replayed: 2}, f.replayErr
		},
		Live: respond("live"), Ready: respond("ready"), Components: respond("components"), Metrics: respond("metrics"),
	}))
	t.Cleanup(f.Close)
	return f
}

const valid = `{"manifest_version": "v1", "metadata": {"tenant": "acme"}, "resources": [
	{"id": "a", "url": "http://example.com/a"}, {"id": "b", "url": "http://example.com/b"}]}`

func (f *fixture) post(t *testing.T, body io.Reader, headers ...string) (*http.Response, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL+"/jobs", body)
	require.NoError(t, err)
	r.Header.Set("X-Fetchbox-Job-Type", "images")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return f.do(t, r)
}

func (f *fixture) get(t *testing.T, path string) (*http.Response, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.URL+path, http.NoBody)
	require.NoError(t, err)
	return f.do(t, r)
}

func (f *fixture) do(t *testing.T, r *http.Request) (*http.Response, map[string]any) {
	t.Helper()
	response, err := f.Client().Do(r)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	var answer map[string]any
	b, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &answer), "%s", b)
	return response, answer
}

func TestOperatorEndpoints(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, path := range []string{"/operators/jobs/unknown", "/operators/jobs/unknown/logs", "/operators/jobs/..%2f..", "/nowhere"} {
		response, answer := f.get(t, path)
		require.Equal(t, http.StatusNotFound, response.StatusCode, path)
		require.Equal(t, "NOT_FOUND", answer["error"].(map[string]any)["code"], path)
	}
	require.NoError(t, f.store.PutState(store.State{JobID: "j", Status: store.Partial, Total: 2, Completed: 1, Failed: 1, LastError: "DOWNLOAD_HTTP_4XX: 404"}))
	_, answer := f.get(t, "/operators/jobs")
	require.Len(t, answer["jobs"], 1)
	_, answer = f.get(t, "/operators/jobs/j")
	require.Equal(t, "DOWNLOAD_HTTP_4XX: 404", answer["last_error"])
	for path, text := range map[string]string{"/health/live": "live", "/health/ready": "ready", "/operators/health": "components", "/metrics": "metrics"} {
		r, err := f.Client().Get(f.URL + path)
		require.NoError(t, err)
		b, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.NoError(t, r.Body.Close())
		require.Equal(t, text, string(b))
	}
}

func TestWrongMethodsNameTheRightOnes(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, tt := range []struct{ method, path, allow string }{
		{http.MethodGet, "/jobs", "POST"},
		{http.MethodDelete, "/jobs", "POST"},
		{http.MethodPost, "/", "GET, HEAD"},
		{http.MethodPost, "/operators/jobs", "GET, HEAD"},
		{http.MethodPut, "/operators/jobs/j", "GET, HEAD"},
		{http.MethodGet, "/operators/jobs/j/replay", "POST"},
		{http.MethodPost, "/health/live", "GET, HEAD"},
		{http.MethodPost, "/metrics", "GET, HEAD"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, f.URL+tt.path, http.NoBody)
		require.NoError(t, err)
		response, answer := f.do(t, r)
		require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode, tt)
		require.Equal(t, tt.allow, response.Header.Get("Allow"), tt)
		require.Equal(t, "METHOD_NOT_ALLOWED", answer["error"].(map[string]any)["code"], tt)
	}
}

// Refused requests do not fill the log, and do not hide other failures.
func TestFailedRequestsAreLoggedWithBounds(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.publisher.taskErr = errors.New("no server")
	for range 20 {
		response, _ := f.post(t, strings.NewReader(valid))
		require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	}
	require.Len(t, f.logs.FilterMessage("request refused").All(), 5)
	require.NoError(t, os.RemoveAll(filepath.Join(f.dir, "ledger")))
	require.NoError(t, os.WriteFile(filepath.Join(f.dir, "ledger"), nil, 0o600))
	response, _ := f.get(t, "/operators/jobs")
	require.Equal(t, http.StatusInternalServerError, response.StatusCode)
	require.Len(t, f.logs.FilterMessage("request failed").All(), 1)
}
