package worker_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	nooptrace "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/progress"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/worker"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// said is what a worker publishes.
type said struct {
	mu       sync.Mutex
	statuses []*jobspb.JobStatus
	logs     []string
	letters  []topic.Failure[*jobspb.DownloadTask]
	failures int // of the next publications
}

var errAway = errors.New("no server")

func (s *said) fails() bool {
	s.failures--
	return s.failures >= 0
}

func (s *said) PublishJobLog(_ context.Context, log *jobspb.JobLog, _ ...producer.PublishOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := jobs.ValidateLog(log); err != nil {
		return err
	}
	if _, err := proto.Marshal(log); err != nil {
		return err
	}
	if s.fails() {
		return errAway
	}
	s.logs = append(s.logs, log.GetResourceId()+" "+log.GetMessage()+" "+log.GetFields()["code"])
	return nil
}

func (s *said) DeadLetter(_ context.Context, f topic.Failure[*jobspb.DownloadTask]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails() {
		return errAway
	}
	s.letters = append(s.letters, f)
	return nil
}

func (s *said) publish(_ context.Context, status *jobspb.JobStatus) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails() {
		return errAway
	}
	s.statuses = append(s.statuses, status)
	return nil
}

func (s *said) last() *jobspb.JobStatus { return s.statuses[len(s.statuses)-1] }

type fixture struct {
	*worker.Worker
	said  *said
	store *store.Store
	http  *httptest.Server
	asked map[string]int
}

var (
	job    = store.Job{Type: "demo", ID: "job-1"}
	origin = topic.Origin{Partition: 1, Offset: 7, ID: [16]byte{1}}
)

func start(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{said: &said{}, asked: map[string]int{}}
	f.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked[r.URL.Path]++
		switch r.URL.Path {
		case "/missing":
			http.NotFound(w, r)
		case "/busy":
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/binary":
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(c, "HTTP/1.1 404 \xff\xfe"+strings.Repeat("é", 2000)+"\r\nContent-Length: 0\r\n\r\n")
				_ = c.Close()
			}
		case "/cut":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
		default:
			_, _ = io.WriteString(w, r.URL.Path)
		}
	}))
	t.Cleanup(f.http.Close)
	var err error
	f.store, err = store.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.store.Close()) })
	require.NoError(t, f.store.PutManifest(store.Manifest{JobID: job.ID, JobType: job.Type, Resources: 2, Submitted: []byte("{}")}))
	d := download.New(download.Default())
	t.Cleanup(d.Close)
	f.Worker, err = worker.New(worker.Parts{
		Downloader: d, Store: f.store, Progress: progress.New(f.store, f.said.publish), Publisher: f.said, Log: zap.NewNop(),
		Tracers: nooptrace.NewTracerProvider(), Meters: noopmetric.NewMeterProvider(),
	})
	require.NoError(t, err)
	return f
}

func (f *fixture) task(id string) *jobspb.DownloadTask {
	return &jobspb.DownloadTask{JobId: job.ID, JobType: job.Type, ResourceId: id, Url: f.http.URL + "/" + id, TraceId: "not a trace id"}
}

func (f *fixture) content(t *testing.T, id string) string {
	t.Helper()
	r, err := f.store.OpenResource(job, id)
	require.NoError(t, err)
	var b bytes.Buffer
	_, err = b.ReadFrom(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	return b.String()
}

func TestATaskIsStoredAndReported(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.NoError(t, f.Do(t.Context(), f.task("a"), origin, 1))
	require.Equal(t, "/a", f.content(t, "a"))
	require.Equal(t, []string{"a stored "}, f.said.logs)
	require.Equal(t, jobspb.JobState_JOB_STATE_IN_PROGRESS, f.said.last().GetState())
	require.EqualValues(t, 1, f.said.last().GetResourcesCompleted())

	statuses := len(f.said.statuses)
	require.NoError(t, f.Do(t.Context(), f.task("a"), origin, 1), "it comes again")
	require.Equal(t, 1, f.asked["/a"], "and is not fetched again")
	require.Len(t, f.said.statuses, statuses)

	require.NoError(t, f.Do(t.Context(), f.task("b"), origin, 1))
	require.Equal(t, jobspb.JobState_JOB_STATE_COMPLETED, f.said.last().GetState())
}

// What is already stored must not be lost in the dead letters because Iggy is
// away for a while.
func TestReportsAreInsistedOn(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.said.failures = 3
	require.NoError(t, f.Do(t.Context(), f.task("a"), origin, 1))
	require.EqualValues(t, 1, f.said.last().GetResourcesCompleted())
	require.Equal(t, []string{"a stored "}, f.said.logs)
	require.Equal(t, 1, f.asked["/a"])
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		id, code string
		logs     int
	}{
		{"missing", "DOWNLOAD_HTTP_4XX", 1},
		{"busy", "DOWNLOAD_HTTP_5XX", 1},
		{"cut", "DOWNLOAD_NETWORK", 1},
		{"binary", "DOWNLOAD_HTTP_4XX", 1}, // a status line that is no UTF-8, and long
	} {
		f := start(t)
		err := f.Do(t.Context(), f.task(tt.id), origin, 1)
		require.Error(t, err)
		require.Equal(t, tt.code, topic.CodeOf(err), tt.id)
		require.Equal(t, []string{tt.id + " attempt failed " + tt.code}, f.said.logs)
		has, err := f.store.HasResource(job, tt.id)
		require.NoError(t, err)
		require.False(t, has, "nothing is stored of half a resource")
	}
}

func TestTasksThatNameNothingFailAtOnce(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, task := range []*jobspb.DownloadTask{{}, {JobId: "j"}, {ResourceId: "r"}, {JobId: strings.Repeat("j", 256), ResourceId: "r"}, {JobId: "j", ResourceId: strings.Repeat("r", 5000)}} {
		err := f.Do(t.Context(), task, origin, 1)
		require.Equal(t, jobs.CodeValidation, topic.CodeOf(err), "%v", task)
		require.NoError(t, f.DeadLetter(t.Context(), topic.Failure[*jobspb.DownloadTask]{Origin: origin, Value: task, Decoded: true, Err: err}))
	}
	require.NoError(t, f.DeadLetter(t.Context(), topic.Failure[*jobspb.DownloadTask]{Origin: origin, Payload: []byte{1}, Err: errors.New("bad")}))
	require.Len(t, f.said.letters, 6)
	require.Empty(t, f.said.logs, "of no job")
	require.Empty(t, f.said.statuses)
}

func TestAFailedTaskHasOneDeadLetter(t *testing.T) {
	t.Parallel()
	f := start(t)
	failure := topic.Failure[*jobspb.DownloadTask]{
		Origin: origin, Value: f.task("missing"), Decoded: true, Code: "DOWNLOAD_HTTP_4XX", Err: errors.New("404"), Attempts: 1,
	}
	f.said.failures = 1
	require.ErrorIs(t, f.DeadLetter(t.Context(), failure), errAway, "the consumer asks again")
	require.Empty(t, f.said.statuses, "nothing is said before the dead letter is confirmed")
	require.NoError(t, f.DeadLetter(t.Context(), failure))
	require.NoError(t, f.DeadLetter(t.Context(), failure), "after a crash")
	require.Len(t, f.said.letters, 1)
	require.EqualValues(t, 1, f.said.last().GetResourcesFailed())
	require.Equal(t, "404", f.said.last().GetLastErrorMessage())

	// The record comes again after a crash: it was given up. Put back it is another record.
	require.NoError(t, f.Do(t.Context(), f.task("missing"), origin, 1))
	require.Zero(t, f.asked["/missing"])
	again := origin
	again.Offset++
	require.Error(t, f.Do(t.Context(), f.task("missing"), again, 1))
	require.Equal(t, 1, f.asked["/missing"])

	replayed := f.task("missing")
	replayed.Url = f.http.URL + "/found"
	require.NoError(t, f.Do(t.Context(), replayed, again, 1))
	require.EqualValues(t, 1, f.said.last().GetResourcesCompleted())
	require.Zero(t, f.said.last().GetResourcesFailed())
}

func TestAbandonedJobsAreNotDone(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.NoError(t, f.store.Abandon(job))
	require.NoError(t, f.Do(t.Context(), f.task("a"), origin, 1))
	require.Empty(t, f.asked)
	require.Equal(t, jobspb.JobState_JOB_STATE_FAILED, f.said.last().GetState())
}

func TestAStopIsNoFailure(t *testing.T) {
	t.Parallel()
	f := start(t)
	stopping := errors.New("stopping")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopping)
	require.ErrorIs(t, f.Do(ctx, f.task("a"), origin, 1), stopping)
	require.Empty(t, f.said.logs)
}
