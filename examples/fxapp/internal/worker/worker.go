package worker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/insist"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/progress"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// CodeStorage is the failure code of resources that could not be stored.
const CodeStorage = "STORAGE_WRITE"

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = time.Minute

// Publisher is what a worker publishes; *jobs.Publisher in production.
type Publisher interface {
	PublishJobLog(ctx context.Context, log *jobspb.JobLog, opts ...producer.PublishOption) error
	DeadLetter(ctx context.Context, f topic.Failure[*jobspb.DownloadTask]) error
}

// Parts is what a Worker is made of.
type Parts struct {
	Downloader *download.Downloader
	Store      *store.Store
	Progress   *progress.Reporter
	Publisher  Publisher
	Log        *zap.Logger
	Tracers    trace.TracerProvider
	Meters     metric.MeterProvider
}

// Worker does tasks. It is safe for concurrent use.
type Worker struct {
	downloader *download.Downloader
	store      *store.Store
	progress   *progress.Reporter
	publisher  Publisher
	log        *zap.Logger
	tracer     trace.Tracer
	took       metric.Float64Histogram
	size       metric.Int64Counter
}

// New makes a Worker.
func New(p Parts) (*Worker, error) {
	meter := p.Meters.Meter(telemetry.Scope)
	took, err := meter.Float64Histogram("fetchbox_worker_download_seconds", metric.WithUnit("s"),
		metric.WithDescription("Attempts to download a resource, by their failure code; none for success."),
		metric.WithExplicitBucketBoundaries(.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60))
	if err != nil {
		return nil, err
	}
	size, err := meter.Int64Counter("fetchbox_worker_download_bytes_total", metric.WithUnit("By"),
		metric.WithDescription("Bytes of the resources that were downloaded."))
	if err != nil {
		return nil, err
	}
	return &Worker{
		downloader: p.Downloader, store: p.Store, progress: p.Progress, publisher: p.Publisher, log: p.Log.Named("worker"),
		tracer: p.Tracers.Tracer(telemetry.Scope), took: took, size: size,
	}, nil
}

// Download does one task: it is the handler of the tasks' consumer. A nil error means
// that the resource is stored and reported. Errors that another attempt can't
// mend are marked as permanent.
func (w *Worker) Download(ctx context.Context, m *consumer.Message[*jobspb.DownloadTask]) error {
	ctx, end := w.span(ctx, "download", m.Value, m.Headers())
	err := w.Do(ctx, m.Value, m.Origin(), m.Deliveries())
	end(err)
	return err
}

func (w *Worker) span(ctx context.Context, name string, task *jobspb.DownloadTask, headers []topic.Header) (context.Context, func(error)) {
	return telemetry.Continue(ctx, w.tracer, name, headers,
		attribute.String("fetchbox.job_id", task.GetJobId()), attribute.String("fetchbox.resource_id", task.GetResourceId()))
}

// Do does one task, which was read at origin and is delivered for the given time.
func (w *Worker) Do(ctx context.Context, task *jobspb.DownloadTask, origin topic.Origin, deliveries int) error {
	if err := check(task); err != nil {
		return consumer.Permanent(err)
	}
	job := jobOf(task)
	done, err := w.isDone(job, task, origin)
	switch {
	case err != nil:
		return &storageError{err}
	case done:
		return w.report(ctx, job)
	}
	if err := insist.On(ctx, w.log, "report a job's start", func(ctx context.Context) error { return w.progress.Started(ctx, job) }); err != nil {
		return err
	}
	began := time.Now()
	size, err := w.fetch(ctx, job, task)
	w.measure(ctx, time.Since(began), size, err)
	fields := map[string]string{
		"attempt": strconv.Itoa(deliveries), "elapsed": time.Since(began).Round(time.Millisecond).String(),
	}
	if err != nil {
		return w.failed(ctx, task, origin, deliveries, err, fields)
	}
	fields["bytes"] = strconv.FormatInt(size, 10)
	if err := w.say(ctx, task, jobspb.LogLevel_LOG_LEVEL_INFO, "stored", fields); err != nil {
		return err
	}
	return w.report(ctx, job)
}

// isDone tells whether nothing is left to do: the resource is stored, or
// this very record was given up, or nobody wants the job any more.
func (w *Worker) isDone(job store.Job, task *jobspb.DownloadTask, origin topic.Origin) (bool, error) {
	if stored, err := w.store.HasResource(job, task.GetResourceId()); stored || err != nil {
		return stored, err
	}
	if givenUp, err := w.isGivenUp(job, task, origin); givenUp || err != nil {
		return givenUp, err
	}
	return w.store.IsAbandoned(job)
}

func (w *Worker) isGivenUp(job store.Job, task *jobspb.DownloadTask, origin topic.Origin) (bool, error) {
	failure, err := w.store.Failure(job, task.GetResourceId())
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && failure.Record == recordOf(origin), err
}

// fetch downloads and stores the resource.
func (w *Worker) fetch(ctx context.Context, job store.Job, task *jobspb.DownloadTask) (int64, error) {
	file, err := w.store.CreateResource(job, task.GetResourceId())
	if err != nil {
		return 0, &storageError{err}
	}
	size, err := w.downloader.Fetch(ctx, task, file)
	if err != nil {
		file.Abort()
		var failed *download.Error
		if ctx.Err() == nil && !errors.As(err, &failed) {
			err = &storageError{err} // it could not be written
		}
		return 0, err
	}
	if err := file.Commit(); err != nil {
		return 0, &storageError{err}
	}
	return size, nil
}

func (w *Worker) measure(ctx context.Context, took time.Duration, size int64, err error) {
	if ctx.Err() != nil {
		return // cut off by a stop: it says nothing about downloads
	}
	code := ""
	if err != nil {
		code = topic.CodeOf(err)
	}
	w.took.Record(ctx, took.Seconds(), metric.WithAttributes(attribute.String("code", code)))
	w.size.Add(ctx, size)
}

// failed decides what becomes of a task that failed.
func (w *Worker) failed(ctx context.Context, task *jobspb.DownloadTask, origin topic.Origin, deliveries int, err error, fields map[string]string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // stopping, or the partition is gone: not the task's failure
	}
	// The consumer warns of it, with the same record and trace; this adds the job.
	w.log.Debug("download failed", zap.String("job_id", task.GetJobId()), zap.String("resource_id", task.GetResourceId()),
		zap.String("record_id", uuid.UUID(origin.ID).String()), telemetry.TraceID(ctx), zap.Int("attempt", deliveries), zap.Error(err))
	fields["code"], fields["error"] = topic.CodeOf(err), err.Error()
	if err := w.say(ctx, task, jobspb.LogLevel_LOG_LEVEL_WARN, "attempt failed", fields); err != nil {
		return err
	}
	var failed *download.Error
	switch {
	case !errors.As(err, &failed):
		return err
	case !failed.Retryable:
		return consumer.Permanent(err)
	case failed.After > 0:
		return consumer.RetryAfter(min(failed.After, maxRetryAfter), err)
	}
	return err
}

// DeadLetter gives a task up: it is where the tasks' consumer puts what failed
// for good. The dead letter is confirmed before anything else is said, so that a
// failed resource has one, whatever happens next.
func (w *Worker) DeadLetter(ctx context.Context, f topic.Failure[*jobspb.DownloadTask]) error {
	ctx, end := w.span(ctx, "give up", f.Value, f.Headers)
	err := w.giveUp(ctx, f)
	end(err)
	return err
}

func (w *Worker) giveUp(ctx context.Context, f topic.Failure[*jobspb.DownloadTask]) error {
	if !f.Decoded || check(f.Value) != nil {
		return w.publisher.DeadLetter(ctx, f) // of no job that could be told
	}
	task, job := f.Value, jobOf(f.Value)
	givenUp, err := w.isGivenUp(job, task, f.Origin)
	if err != nil {
		return err
	}
	if !givenUp {
		if err := w.publisher.DeadLetter(ctx, f); err != nil {
			return err
		}
		letter, _ := jobs.NewDeadLetter(f, time.Now()) // its texts are bounded
		err := insist.On(ctx, w.log, "note a failure", func(context.Context) error {
			return w.store.PutFailure(job, task.GetResourceId(), store.Failure{
				Code: letter.GetFailureCode(), Message: letter.GetFailureMessage(), Record: recordOf(f.Origin), At: time.Now().UTC(),
			})
		})
		if err != nil {
			return err
		}
	}
	err = w.say(ctx, task, jobspb.LogLevel_LOG_LEVEL_ERROR, "given up", map[string]string{
		"attempts": strconv.Itoa(f.Attempts), "code": f.Code, "error": f.Err.Error(),
	})
	if err != nil {
		return err
	}
	return w.report(ctx, job)
}

func (w *Worker) report(ctx context.Context, job store.Job) error {
	return insist.On(ctx, w.log, "report a job", func(ctx context.Context) error { return w.progress.Report(ctx, job) })
}

func (w *Worker) say(ctx context.Context, task *jobspb.DownloadTask, level jobspb.LogLevel, message string, fields map[string]string) error {
	for name, value := range fields {
		fields[name] = bounded(value)
	}
	log := &jobspb.JobLog{
		JobId: task.GetJobId(), ResourceId: task.GetResourceId(), Level: level, Message: message, Fields: fields,
		TimestampMs: uint64(time.Now().UnixMilli()),
	}
	if jobs.IsTraceID(task.GetTraceId()) {
		log.TraceId = task.GetTraceId()
	}
	return insist.On(ctx, w.log, "publish a job's log", func(ctx context.Context) error { return w.publisher.PublishJobLog(ctx, log) })
}

// maxText bounds what every record about a task repeats, in bytes.
const maxText = 4 << 10

// check refuses tasks that can't be told apart, or of which no record could tell. Other
// programs write tasks, too.
func check(task *jobspb.DownloadTask) error {
	var bad *jobs.FieldError
	for field, value := range map[string]string{"job_type": task.GetJobType(), "resource_id": task.GetResourceId()} {
		if len(value) > maxText {
			return &jobs.FieldError{Message: "DownloadTask", Field: field, Rule: fmt.Sprintf("must have at most %d bytes", maxText)}
		}
	}
	for _, err := range unwrap(jobs.ValidateTask(task)) {
		if errors.As(err, &bad) && (bad.Field == "job_id" || bad.Field == "resource_id") {
			return err
		}
	}
	return nil
}

func unwrap(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // ValidateTask joins
		return joined.Unwrap()
	}
	return nil
}

func jobOf(task *jobspb.DownloadTask) store.Job {
	return store.Job{Type: task.GetJobType(), ID: task.GetJobId()}
}

// recordOf names a record: its id, and its place for producers that give none.
func recordOf(o topic.Origin) string {
	return fmt.Sprintf("%s at %d/%d", uuid.UUID(o.ID), o.Partition, o.Offset)
}

// maxField bounds the texts of a log record.
const maxField = 2 << 10

// bounded is s as valid UTF-8, which protobuf asks for and a server's answer need not be,
// in at most maxField bytes.
func bounded(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= maxField {
		return s
	}
	end := maxField
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// storageError is a failure of the store, which is worth another attempt.
type storageError struct{ err error }

func (e *storageError) Error() string       { return e.err.Error() }
func (e *storageError) Unwrap() error       { return e.err }
func (e *storageError) FailureCode() string { return CodeStorage }
