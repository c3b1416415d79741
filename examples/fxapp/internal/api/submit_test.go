package api_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

func gzipped(t *testing.T, b []byte) *bytes.Buffer {
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
			return gzipped(t, []byte(valid)), []string{"Content-Encoding", "gzip"}
		},
	} {
		*f.publisher = fakePublisher{}
		reader, headers := body()
		response, answer := f.post(t, reader, append(headers, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")...)
		require.Equal(t, http.StatusAccepted, response.StatusCode, "%s: %v", name, answer)
		id := answer["job_id"].(string)
		require.Equal(t, map[string]any{
			"job_id": id, "manifest_key": "manifests/images/" + id + ".json", "resource_count": 2.0,
		}, answer)
		require.Equal(t, []string{"status", "tasks"}, f.publisher.published, "the status of a worker cannot precede the first one")
		require.Len(t, f.publisher.tasks, 2)
		require.Equal(t, id, f.publisher.tasks[1].GetJobId())
		require.Equal(t, "acme", f.publisher.tasks[1].GetTenant())
		require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", f.publisher.tasks[1].GetTraceId())
		require.Equal(t, jobspb.JobState_JOB_STATE_QUEUED, f.publisher.statuses[0].GetState())
		require.EqualValues(t, 2, f.publisher.statuses[0].GetResourcesTotal())

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

func TestSubmitRefusesInvalidRequests(t *testing.T) {
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
		{"truncated gzip", bytes.NewReader(gzipped(t, []byte(valid)).Bytes()[:30]), []string{"Content-Encoding", "gzip"}, 400, "INVALID_PAYLOAD", "body"},
		{"over 5 MB", strings.NewReader(huge), nil, 413, "PAYLOAD_TOO_LARGE", "5000000"},
		{"over 5 MB, length unknown", io.MultiReader(strings.NewReader(huge)), nil, 413, "PAYLOAD_TOO_LARGE", "5000000"},
		{"over 5 MB after decompression", gzipped(t, []byte(huge)), []string{"Content-Encoding", "gzip"}, 413, "PAYLOAD_TOO_LARGE", "5000000"},
	} {
		response, answer := f.post(t, tt.body, tt.headers...)
		require.Equal(t, tt.status, response.StatusCode, "%s: %v", tt.name, answer)
		detail := answer["error"].(map[string]any)
		require.Equal(t, tt.code, detail["code"], tt.name)
		require.Contains(t, detail["message"], tt.message, tt.name)
	}
	require.Empty(t, f.publisher.published, "nothing was published")
}

// A client that sends the whole body before it reads must see the response.
func TestSubmitAnswersWhileCallerIsSending(t *testing.T) {
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

func TestSubmitAcceptsExactlyMaxBytes(t *testing.T) {
	t.Parallel()
	f := start(t)
	response, answer := f.post(t, strings.NewReader(valid+strings.Repeat(" ", 5_000_000-len(valid))))
	require.Equal(t, http.StatusAccepted, response.StatusCode, "%v", answer)
}

func TestUnconfirmedJobIsCanceled(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.publisher.taskErr = errors.New("no server")
	response, answer := f.post(t, strings.NewReader(valid))
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.Equal(t, "UNAVAILABLE", answer["error"].(map[string]any)["code"])
	require.NotContains(t, fmt.Sprint(answer), "no server", "the cause is only in the log")
	require.NotEmpty(t, response.Header.Get("Retry-After"))
	require.Len(t, f.publisher.statuses, 2)
	last := f.publisher.statuses[1]
	require.Equal(t, jobspb.JobState_JOB_STATE_FAILED, last.GetState(), "the job is canceled")
	canceled, err := f.store.IsCanceled(store.Job{Type: "images", ID: last.GetJobId()})
	require.NoError(t, err)
	require.True(t, canceled, "workers skip the tasks")
}

// The server's write timeout does not apply while Iggy confirms the job.
func TestSubmitWaitsBeyondServerWriteTimeout(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.publisher.delay = 300 * time.Millisecond
	server := httptest.NewUnstartedServer(f.Config.Handler)
	server.Config.WriteTimeout = 100 * time.Millisecond
	server.Start()
	defer server.Close()
	f.URL = server.URL
	response, _ := f.post(t, strings.NewReader(valid))
	require.Equal(t, http.StatusAccepted, response.StatusCode)
}
