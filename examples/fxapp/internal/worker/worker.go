package worker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/insist"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/progress"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
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

// Worker does tasks. It is safe for concurrent use.
type Worker struct {
	downloader *download.Downloader
	store      *store.Store
	progress   *progress.Reporter
	publisher  Publisher
	log        *zap.Logger
}

// New makes a Worker.
func New(d *download.Downloader, s *store.Store, r *progress.Reporter, p Publisher, log *zap.Logger) *Worker {
	return &Worker{downloader: d, store: s, progress: r, publisher: p, log: log.Named("worker")}
}

// Download does one task: it is the handler of the tasks' consumer. A nil error means
// that the resource is stored and reported. Errors that another attempt can't
// mend are marked as permanent.
func (w *Worker) Download(ctx context.Context, m *consumer.Message[*jobspb.DownloadTask]) error {
	return w.Do(ctx, m.Value, m.Origin(), m.Deliveries())
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
	fields := map[string]string{
		"attempt": strconv.Itoa(deliveries), "elapsed": time.Since(began).Round(time.Millisecond).String(),
	}
	if err != nil {
		return w.failed(ctx, task, err, fields)
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

// failed decides what becomes of a task that failed.
func (w *Worker) failed(ctx context.Context, task *jobspb.DownloadTask, err error, fields map[string]string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // stopping, or the partition is gone: not the task's failure
	}
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

// check refuses tasks that can't be told apart. Other programs write tasks, too.
func check(task *jobspb.DownloadTask) error {
	var bad *jobs.FieldError
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

func bounded(s string) string {
	if len(s) > maxField {
		return s[:maxField]
	}
	return s
}

// storageError is a failure of the store, which is worth another attempt.
type storageError struct{ err error }

func (e *storageError) Error() string       { return e.err.Error() }
func (e *storageError) Unwrap() error       { return e.err }
func (e *storageError) FailureCode() string { return CodeStorage }
