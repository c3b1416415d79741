package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	nooptrace "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/admission"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/progress"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/worker"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakePublisher keeps what a worker publishes.
type fakePublisher struct {
	mu          sync.Mutex
	statuses    []*jobspb.JobStatus
	logs        []string
	deadLetters []topic.Failure[*jobspb.DownloadTask]
	failures    int   // number of the next publications that fail
	refusal     error // of all publications
}

var errUnavailable = errors.New("no server")

func (p *fakePublisher) takeFailure() error {
	if p.failures--; p.failures >= 0 {
		return errUnavailable
	}
	return p.refusal
}

func (p *fakePublisher) PublishJobLog(_ context.Context, log *jobspb.JobLog, _ ...producer.PublishOption) (producer.Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := jobs.ValidateLog(log); err != nil {
		return producer.Result{}, err
	}
	if _, err := proto.Marshal(log); err != nil {
		return producer.Result{}, err
	}
	if err := p.takeFailure(); err != nil {
		return producer.Result{}, err
	}
	p.logs = append(p.logs, log.GetResourceId()+" "+log.GetMessage()+" "+log.GetFields()["code"])
	return producer.Result{}, nil
}

func (p *fakePublisher) DeadLetter(_ context.Context, f topic.Failure[*jobspb.DownloadTask]) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.takeFailure(); err != nil {
		return err
	}
	p.deadLetters = append(p.deadLetters, f)
	return nil
}

func (p *fakePublisher) publish(_ context.Context, status *jobspb.JobStatus) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.takeFailure(); err != nil {
		return err
	}
	p.statuses = append(p.statuses, status)
	return nil
}

func (p *fakePublisher) lastStatus() *jobspb.JobStatus { return p.statuses[len(p.statuses)-1] }

type fixture struct {
	*worker.Worker
	published *fakePublisher
	store     *store.Store
	dir       string // of the store
	http      *httptest.Server
	requests  map[string]int
	stalled   chan struct{} // gets a value for each request to /stall
	release   chan struct{} // ends these requests when it is closed
}

var (
	job    = store.Job{Type: "demo", ID: "job-1"}
	origin = topic.Origin{Partition: 1, Offset: 7, ID: [16]byte{1}}
)

func start(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{published: &fakePublisher{}, dir: t.TempDir(), requests: map[string]int{}, stalled: make(chan struct{}), release: make(chan struct{})}
	f.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stall" {
			f.stalled <- struct{}{}
			<-f.release
			return
		}
		f.requests[r.URL.Path]++
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
	f.store, err = store.Open(f.dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.store.Close()) })
	require.NoError(t, f.store.PutManifest(store.Manifest{JobID: job.ID, JobType: job.Type, Resources: 2, Submitted: []byte("{}")}))
	d := download.New(download.Default())
	t.Cleanup(d.Close)
	f.Worker, err = worker.New(worker.Params{
		Downloader: d, Admission: admission.New(admission.Limits{PerHost: 2, PerJob: 100}), Store: f.store, Progress: progress.New(f.store, f.published.publish), Publisher: f.published, Log: zap.NewNop(),
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

func TestTaskIsStoredAndReported(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.NoError(t, f.Process(t.Context(), f.task("a"), origin, 1))
	require.Equal(t, "/a", f.content(t, "a"))
	require.Equal(t, []string{"a stored "}, f.published.logs)
	require.Equal(t, jobspb.JobState_JOB_STATE_IN_PROGRESS, f.published.lastStatus().GetState())
	require.EqualValues(t, 1, f.published.lastStatus().GetResourcesCompleted())

	statuses := len(f.published.statuses)
	require.NoError(t, f.Process(t.Context(), f.task("a"), origin, 1), "redelivery")
	require.Equal(t, 1, f.requests["/a"], "a redelivered task is not downloaded again")
	require.Len(t, f.published.statuses, statuses)

	require.NoError(t, f.Process(t.Context(), f.task("b"), origin, 1))
	require.Equal(t, jobspb.JobState_JOB_STATE_COMPLETED, f.published.lastStatus().GetState())
}

// A stored resource is not dead lettered because Iggy is unavailable for a while.
func TestReportsAreRetriedUntilConfirmed(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.published.failures = 3
	require.NoError(t, f.Process(t.Context(), f.task("a"), origin, 1))
	require.EqualValues(t, 1, f.published.lastStatus().GetResourcesCompleted())
	require.Equal(t, []string{"a stored "}, f.published.logs)
	require.Equal(t, 1, f.requests["/a"])
}

// A damaged manifest stops neither the job, whose size the ledger knows, nor others.
func TestJobWithDamagedManifestCompletes(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.NoError(t, f.store.PutState(store.State{JobID: job.ID, JobType: job.Type, Status: store.Queued, Total: 2}))
	manifest := filepath.Join(f.dir, store.Manifest{JobID: job.ID, JobType: job.Type}.Key())
	require.NoError(t, os.WriteFile(manifest, []byte("{"), 0o640))
	require.NoError(t, f.Process(t.Context(), f.task("a"), origin, 1))
	require.NoError(t, f.Process(t.Context(), f.task("b"), origin, 1))
	require.Equal(t, jobspb.JobState_JOB_STATE_COMPLETED, f.published.lastStatus().GetState())
	require.EqualValues(t, 2, f.published.lastStatus().GetResourcesTotal())
}

// A job that can't be counted because of its own files fails its tasks. It does not make others
// wait, nor is the dead letter repeated.
func TestJobThatCannotBeCountedFails(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.NoError(t, os.MkdirAll(filepath.Join(f.dir, "failures", job.Type), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(f.dir, "failures", job.Type, job.ID), nil, 0o640))
	err := f.Process(t.Context(), f.task("a"), origin, 1)
	require.Error(t, err)
	requireAvailable(t, err)
	require.NoError(t, f.DeadLetter(t.Context(), topic.Failure[*jobspb.DownloadTask]{
		Origin: origin, Value: f.task("a"), Decoded: true, Err: err, Attempts: 5,
	}))
	require.Len(t, f.published.deadLetters, 1)
	require.Equal(t, []string{"a given up "}, f.published.logs)
}

// A store that no job can use makes the consumer wait, and no task fails.
func TestStoreThatCannotBeUsedPausesTheConsumer(t *testing.T) {
	t.Parallel()
	f := start(t)
	resources := filepath.Join(f.dir, "resources")
	require.NoError(t, os.WriteFile(resources, nil, 0o640))
	err := f.Process(t.Context(), f.task("a"), origin, 1)
	require.Equal(t, consumer.Unavailable(errors.Unwrap(err), consumer.ForAllPartitions()), err)
	require.Empty(t, f.published.logs)
	require.NoError(t, os.Remove(resources))
	require.NoError(t, f.Process(t.Context(), f.task("a"), origin, 1))
	require.Equal(t, "/a", f.content(t, "a"))
}

// What can't be published at all is not retried without end.
func TestRefusedMessagesAreNotRepeated(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.published.refusal = fmt.Errorf("publish: %w", iggyerr.ErrTooLarge)
	err := f.Process(t.Context(), f.task("a"), origin, 1)
	require.ErrorIs(t, err, iggyerr.ErrTooLarge, "the status is refused")
	requireAvailable(t, err)
	require.NoError(t, f.DeadLetter(t.Context(), topic.Failure[*jobspb.DownloadTask]{
		Origin: origin, Value: f.task("a"), Decoded: true, Code: "X", Err: err, Attempts: 5,
	}))
	failure, err := f.store.Failure(job, "a")
	require.NoError(t, err)
	require.Equal(t, "X", failure.Code)
}

// requireAvailable requires that err is not consumer.Unavailable.
func requireAvailable(t *testing.T, err error) {
	t.Helper()
	require.NotEqual(t, reflect.TypeOf(consumer.Unavailable(errUnavailable)), reflect.TypeOf(err), "%v", err)
}

func TestTasksOfCanceledJobAreSkipped(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.NoError(t, f.store.Cancel(job))
	require.NoError(t, f.Process(t.Context(), f.task("a"), origin, 1))
	require.Empty(t, f.requests)
	require.Equal(t, jobspb.JobState_JOB_STATE_FAILED, f.published.lastStatus().GetState())
}
