package api_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/api"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/overview"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/progress"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// topics stands for Iggy.
type topics struct {
	mu       sync.Mutex
	order    []string
	tasks    []*jobspb.DownloadTask
	statuses []*jobspb.JobStatus
	taskErr  error
	delay    time.Duration
}

func (p *topics) PublishDownloadTasks(_ context.Context, tasks []*jobspb.DownloadTask, _ ...producer.PublishOption) error {
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
	p.order = append(p.order, "tasks")
	p.tasks = append(p.tasks, tasks...)
	return nil
}

func (p *topics) PublishJobStatus(_ context.Context, status *jobspb.JobStatus, _ ...producer.PublishOption) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := jobs.ValidateStatus(status); err != nil {
		return err
	}
	p.order = append(p.order, "status")
	p.statuses = append(p.statuses, status)
	return nil
}

type fixture struct {
	*httptest.Server
	topics    *topics
	topicsErr error
	store     *store.Store
}

func start(t *testing.T) *fixture {
	t.Helper()
	s, err := store.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	f := &fixture{topics: &topics{}, store: s}
	says := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	}
	f.Server = httptest.NewServer(api.New(api.Parts{
		Publisher: f.topics, Store: s, PublishTimeout: 10 * time.Second,
		Progress: progress.New(s, func(ctx context.Context, status *jobspb.JobStatus) error {
			return f.topics.PublishJobStatus(ctx, status)
		}),
		Topics: func(context.Context) ([]overview.Topic, error) {
			return []overview.Topic{{Stream: "s", Name: "t", Groups: []overview.Group{{Name: "g", Lag: 3}}}}, f.topicsErr
		},
		Live: says("live"), Ready: says("ready"), Components: says("components"), Metrics: says("metrics"),
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

func packed(t *testing.T, b []byte) *bytes.Buffer {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, err := z.Write(b)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return &buf
}

func TestSubmit(t *testing.T) {
	t.Parallel()
	f := start(t)
	for name, body := range map[string]func() (io.Reader, []string){
		"plain": func() (io.Reader, []string) { return strings.NewReader(valid), nil },
		"gzip": func() (io.Reader, []string) {
			return packed(t, []byte(valid)), []string{"Content-Encoding", "gzip"}
		},
	} {
		*f.topics = topics{}
		reader, headers := body()
		response, answer := f.post(t, reader, append(headers, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")...)
		require.Equal(t, http.StatusAccepted, response.StatusCode, "%s: %v", name, answer)
		id := answer["job_id"].(string)
		require.Equal(t, map[string]any{
			"job_id": id, "manifest_key": "manifests/images/" + id + ".json", "resource_count": 2.0,
		}, answer)
		require.Equal(t, []string{"status", "tasks"}, f.topics.order, "no worker's status can come before the first one")
		require.Len(t, f.topics.tasks, 2)
		require.Equal(t, id, f.topics.tasks[1].GetJobId())
		require.Equal(t, "acme", f.topics.tasks[1].GetTenant())
		require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", f.topics.tasks[1].GetTraceId())
		require.Equal(t, jobspb.JobState_JOB_STATE_QUEUED, f.topics.statuses[0].GetState())
		require.EqualValues(t, 2, f.topics.statuses[0].GetResourcesTotal())

		response, answer = f.get(t, "/operators/jobs/"+id)
		require.Equal(t, http.StatusOK, response.StatusCode)
		delete(answer, "updated_at")
		require.Equal(t, map[string]any{
			"job_id": id, "job_type": "images", "status": "queued",
			"resources_total": 2.0, "resources_completed": 0.0, "resources_failed": 0.0,
		}, answer)
		m, err := f.store.Manifest(store.Job{Type: "images", ID: id})
		require.NoError(t, err)
		require.JSONEq(t, valid, string(m.Submitted))
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	huge := valid + strings.Repeat(" ", 5_000_001-len(valid))
	for _, tt := range []struct {
		name    string
		body    io.Reader
		headers []string
		status  int
		code    string
		message string
	}{
		{"not JSON", strings.NewReader("hello"), nil, 400, "INVALID_PAYLOAD", "not valid"},
		{"empty", http.NoBody, nil, 400, "INVALID_PAYLOAD", "empty"},
		{"a broken rule", strings.NewReader(strings.ReplaceAll(valid, `"b"`, `"a"`)), nil, 400, "INVALID_PAYLOAD", "resources[1].id"},
		{"no job type", strings.NewReader(valid), []string{"X-Fetchbox-Job-Type", ""}, 400, "INVALID_PAYLOAD", "X-Fetchbox-Job-Type"},
		{"long job type", strings.NewReader(valid), []string{"X-Fetchbox-Job-Type", strings.Repeat("x", 129)}, 400, "INVALID_PAYLOAD", "128"},
		{"unknown encoding", strings.NewReader(valid), []string{"Content-Encoding", "br"}, 400, "INVALID_PAYLOAD", "br"},
		{"not gzip", strings.NewReader(valid), []string{"Content-Encoding", "gzip"}, 400, "INVALID_PAYLOAD", "gzip"},
		{"gzip cut off", bytes.NewReader(packed(t, []byte(valid)).Bytes()[:30]), []string{"Content-Encoding", "gzip"}, 400, "INVALID_PAYLOAD", "body"},
		{"over 5 MB", strings.NewReader(huge), nil, 413, "PAYLOAD_TOO_LARGE", "5000000"},
		{"over 5 MB, length unknown", io.MultiReader(strings.NewReader(huge)), nil, 413, "PAYLOAD_TOO_LARGE", "5000000"},
		{"over 5 MB unpacked", packed(t, []byte(huge)), []string{"Content-Encoding", "gzip"}, 413, "PAYLOAD_TOO_LARGE", "5000000"},
	} {
		response, answer := f.post(t, tt.body, tt.headers...)
		require.Equal(t, tt.status, response.StatusCode, "%s: %v", tt.name, answer)
		detail := answer["error"].(map[string]any)
		require.Equal(t, tt.code, detail["code"], tt.name)
		require.Contains(t, detail["message"], tt.message, tt.name)
	}
	require.Empty(t, f.topics.order, "nothing was published")
}

// A caller that sends everything before it reads must see why it is refused.
func TestRefusedWhileSending(t *testing.T) {
	t.Parallel()
	f := start(t)
	c, err := net.Dial("tcp", f.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	_, err = io.WriteString(c, "POST /jobs HTTP/1.1\r\nHost: x\r\nX-Fetchbox-Job-Type: demo\r\nContent-Length: 8000000\r\n\r\n")
	require.NoError(t, err)
	_, err = c.Write(make([]byte, 8_000_000))
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
}

func TestExactlyTheLimitIsAccepted(t *testing.T) {
	t.Parallel()
	f := start(t)
	response, answer := f.post(t, strings.NewReader(valid+strings.Repeat(" ", 5_000_000-len(valid))))
	require.Equal(t, http.StatusAccepted, response.StatusCode, "%v", answer)
}

func TestUnconfirmedJobsAreAbandoned(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.topics.taskErr = errors.New("no server")
	response, answer := f.post(t, strings.NewReader(valid))
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.Equal(t, "UNAVAILABLE", answer["error"].(map[string]any)["code"])
	require.NotContains(t, fmt.Sprint(answer), "no server", "causes are for the log")
	require.NotEmpty(t, response.Header.Get("Retry-After"))
	require.Len(t, f.topics.statuses, 2)
	last := f.topics.statuses[1]
	require.Equal(t, jobspb.JobState_JOB_STATE_FAILED, last.GetState(), "nobody waits for this job")
	abandoned, err := f.store.IsAbandoned(store.Job{Type: "images", ID: last.GetJobId()})
	require.NoError(t, err)
	require.True(t, abandoned, "workers are told")
}

// The server's limit for answers is not one for what Iggy takes to confirm.
func TestSlowConfirmationIsAnswered(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.topics.delay = 300 * time.Millisecond
	server := httptest.NewUnstartedServer(f.Config.Handler)
	server.Config.WriteTimeout = 100 * time.Millisecond
	server.Start()
	defer server.Close()
	f.URL = server.URL
	response, _ := f.post(t, strings.NewReader(valid))
	require.Equal(t, http.StatusAccepted, response.StatusCode)
}

func TestOperatorsPages(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, path := range []string{"/operators/jobs/unknown", "/operators/jobs/unknown/logs", "/operators/jobs/..%2f..", "/nowhere"} {
		response, answer := f.get(t, path)
		require.Equal(t, http.StatusNotFound, response.StatusCode, path)
		require.Equal(t, "NOT_FOUND", answer["error"].(map[string]any)["code"], path)
	}
	response, _ := f.get(t, "/jobs")
	require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)

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

func TestLogStream(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.NoError(t, f.store.PutState(store.State{JobID: "j", Status: store.InProgress}))
	add := func(offset uint64) {
		require.NoError(t, f.store.AppendLog("j", store.Log{Partition: 2, Offset: offset, Record: json.RawMessage(fmt.Sprintf(`{"message":"m%d"}`, offset))}))
	}
	add(0)
	add(1)
	open := func(ctx context.Context, query, last string) *bufio.Scanner {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL+"/operators/jobs/j/logs"+query, http.NoBody)
		require.NoError(t, err)
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		response, err := f.Client().Do(r)
		require.NoError(t, err)
		t.Cleanup(func() { _ = response.Body.Close() })
		require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
		return bufio.NewScanner(response.Body)
	}
	event := func(s *bufio.Scanner) (lines []string) {
		for s.Scan() && s.Text() != "" {
			lines = append(lines, s.Text())
		}
		return lines
	}
	ctx, cancel := context.WithCancel(t.Context())
	live := open(ctx, "", "")
	require.Equal(t, []string{"id: 2-0", "event: log", `data: {"message":"m0"}`}, event(live))
	require.Equal(t, []string{"id: 2-1", "event: log", `data: {"message":"m1"}`}, event(live))
	add(2)
	require.Equal(t, []string{"id: 2-2", "event: log", `data: {"message":"m2"}`}, event(live))
	cancel()

	require.Equal(t, []string{"id: 2-2", "event: log", `data: {"message":"m2"}`}, event(open(t.Context(), "", "2-1")), "a browser connects again")

	ended := open(t.Context(), "?follow=false", "")
	for range 3 {
		require.Len(t, event(ended), 3)
	}
	require.False(t, ended.Scan(), "the end of the log")

	response, _ := f.get(t, "/operators/jobs/j/logs?follow=perhaps")
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
}

func TestTopics(t *testing.T) {
	t.Parallel()
	f := start(t)
	_, answer := f.get(t, "/operators/topics")
	require.Equal(t, 3.0, answer["topics"].([]any)[0].(map[string]any)["groups"].([]any)[0].(map[string]any)["lag"])
	f.topicsErr = errors.New("no server")
	response, answer := f.get(t, "/operators/topics")
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode, "%v", answer)
}

func TestPage(t *testing.T) {
	t.Parallel()
	f := start(t)
	r, err := f.Client().Get(f.URL + "/")
	require.NoError(t, err)
	defer func() { _ = r.Body.Close() }()
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", r.Header.Get("Content-Type"))
	require.Contains(t, r.Header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Contains(t, r.Header.Get("Content-Security-Policy"), "script-src 'sha256-")
}

// stoppable serves what f does until its context ends, as the application's server.
func stoppable(t *testing.T, f *fixture) (address string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	server := httptest.NewUnstartedServer(f.Config.Handler)
	server.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	server.Start()
	t.Cleanup(server.Close) // waits for the handlers
	t.Cleanup(cancel)
	return server.Listener.Addr().String(), cancel
}

// Callers that neither send nor read must not keep the process from stopping.
func TestSlowCallersAreLetGoAtStop(t *testing.T) {
	t.Parallel()
	f := start(t)
	address, stop := stoppable(t, f)

	sender, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer func() { _ = sender.Close() }()
	// The answer to the expectation shows that the body is being read.
	_, err = io.WriteString(sender, "POST /jobs HTTP/1.1\r\nHost: x\r\nX-Fetchbox-Job-Type: demo\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
	require.NoError(t, err)
	answers := bufio.NewReader(sender)
	line, err := answers.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "100 Continue")

	require.NoError(t, f.store.PutState(store.State{JobID: "j", JobType: "demo", Status: store.Queued, Total: 1}))
	large, err := json.Marshal(strings.Repeat("x", 1<<20))
	require.NoError(t, err)
	for offset := range uint64(20) { // more than sockets buffer
		require.NoError(t, f.store.AppendLog("j", store.Log{Offset: offset, Record: large}))
	}
	reader, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer func() { _ = reader.Close() }()
	_, err = io.WriteString(reader, "GET /operators/jobs/j/logs HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	_, err = reader.Read(make([]byte, 1))
	require.NoError(t, err)

	stop()
	_, err = answers.ReadString('\n') // the end of the interim answer
	require.NoError(t, err)
	line, err = answers.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "400 Bad Request")
}
