package worker

import (
	"context"
	"errors"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/admission"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/progress"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/retry"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Publisher publishes the log entries and dead letters of a Worker. *jobs.Publisher implements it.
type Publisher interface {
	PublishJobLog(ctx context.Context, log *jobspb.JobLog, opts ...producer.PublishOption) (producer.Result, error)
	DeadLetter(ctx context.Context, f topic.Failure[*jobspb.DownloadTask]) error
}

// Params are the dependencies of a Worker.
type Params struct {
	Downloader *download.Downloader
	// Admission limits the downloads. Nil means the default limits.
	Admission *admission.Admission
	Store     *store.Store
	Progress  *progress.Reporter
	Publisher Publisher
	Log       *zap.Logger
	Tracers   trace.TracerProvider
	Meters    metric.MeterProvider
}

// Worker processes tasks. It is safe for concurrent use.
type Worker struct {
	downloader *download.Downloader
	admission  *admission.Admission
	store      *store.Store
	progress   *progress.Reporter
	publisher  Publisher
	log        *zap.Logger
	tracer     trace.Tracer
	duration   metric.Float64Histogram
	bytes      metric.Int64Counter
}

// New returns a Worker.
func New(p Params) (*Worker, error) {
	meter := p.Meters.Meter(telemetry.Scope)
	duration, err := meter.Float64Histogram("fetchbox.worker.download", metric.WithUnit("s"),
		metric.WithDescription("Attempts to download a resource, by their failure code; none for success."),
		metric.WithExplicitBucketBoundaries(.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60))
	if err != nil {
		return nil, err
	}
	bytes, err := meter.Int64Counter("fetchbox.worker.download_bytes", metric.WithUnit("By"),
		metric.WithDescription("Bytes of the resources that were downloaded."))
	if err != nil {
		return nil, err
	}
	if p.Admission == nil {
		p.Admission = admission.New(download.Default().Admission())
	}
	return &Worker{
		downloader: p.Downloader, admission: p.Admission, store: p.Store, progress: p.Progress, publisher: p.Publisher,
		log: p.Log.Named("worker"), tracer: p.Tracers.Tracer(telemetry.Scope),
		duration: duration, bytes: bytes,
	}, nil
}

// Download processes one task. It is the handler of the consumer of jobs.tasks. It returns nil
// after the resource is stored and reported. Errors that another attempt cannot fix are permanent.
func (w *Worker) Download(ctx context.Context, m *consumer.Message[*jobspb.DownloadTask]) error {
	ctx, end := w.startSpan(ctx, "download", m.Value, m.Headers())
	err := w.process(ctx, m.Value, m.Origin(), m.Attempts())
	if errors.Is(err, errNotAdmitted) {
		end(nil)
	} else {
		end(err)
	}
	return err
}

func (w *Worker) startSpan(
	ctx context.Context, name string, task *jobspb.DownloadTask, headers []topic.Header,
) (context.Context, func(error)) {
	return telemetry.StartSpan(ctx, w.tracer, name, headers,
		attribute.String("fetchbox.job_id", task.GetJobId()),
		attribute.String("fetchbox.resource_id", task.GetResourceId()))
}

// process processes the task of the message at origin. attempts counts those to process it, this one
// included. When the machine is to blame for a failure, the task waits until
// that is over, and so do all others.
func (w *Worker) process(
	ctx context.Context, task *jobspb.DownloadTask, origin topic.Origin, attempts int,
) error {
	err := w.attempt(ctx, task, origin, attempts)
	if w.isUnavailable(err) {
		return consumer.Unavailable(err, consumer.ForAllPartitions())
	}
	return err
}

// attempt makes one attempt to process a task.
func (w *Worker) attempt(
	ctx context.Context, task *jobspb.DownloadTask, origin topic.Origin, attempts int,
) error {
	if err := checkTask(task); err != nil {
		return consumer.Permanent(err)
	}
	job := jobOf(task)
	done, err := w.isDone(job, task, origin)
	switch {
	case err != nil:
		return &storageError{err}
	case done:
		return w.report(ctx, "report job", job, w.progress.Report)
	}
	admitted, wait := w.admission.Begin(job.Type+"/"+job.ID, download.HostOf(task))
	if admitted == nil {
		return consumer.Postpone(wait, errNotAdmitted)
	}
	defer func() { admitted.End(retryAfter(err)) }()
	err = w.report(ctx, "report job start", job, w.progress.ReportStart)
	if err != nil {
		return err
	}
	start := time.Now()
	size, err := w.fetch(ctx, job, task)
	w.measure(ctx, time.Since(start), size, err)
	fields := map[string]string{
		"attempt": strconv.Itoa(attempts),
		"elapsed": time.Since(start).Round(time.Millisecond).String(),
	}
	if err != nil {
		return w.handleFailure(ctx, task, origin, attempts, err, fields)
	}
	fields["bytes"] = strconv.FormatInt(size, 10)
	if err := w.publishLog(ctx, task, jobspb.LogLevel_LOG_LEVEL_INFO, "stored", fields); err != nil {
		return err
	}
	return w.report(ctx, "report job", job, w.progress.Report)
}

// isDone reports whether the task needs no work: its resource is stored, its message was dead
// lettered, or its job is canceled.
func (w *Worker) isDone(job store.Job, task *jobspb.DownloadTask, origin topic.Origin) (bool, error) {
	if stored, err := w.store.HasResource(job, task.GetResourceId()); stored || err != nil {
		return stored, err
	}
	if failed, err := w.isDeadLettered(job, task, origin); failed || err != nil {
		return failed, err
	}
	return w.store.IsCanceled(job)
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
			err = &storageError{err} // an error of writing the file
		}
		return 0, err
	}
	if err := file.Commit(); err != nil {
		return 0, &storageError{err}
	}
	return size, nil
}

// measure updates the metrics with an attempt.
func (w *Worker) measure(ctx context.Context, took time.Duration, size int64, err error) {
	if ctx.Err() != nil {
		return // the attempt was canceled
	}
	code := ""
	if err != nil {
		code = topic.CodeOf(err)
	}
	w.duration.Record(ctx, took.Seconds(), metric.WithAttributes(attribute.String("code", code)))
	w.bytes.Add(ctx, size)
}

// report publishes the status of a job, and retries until it is confirmed or ctx ends. A job that
// can't be counted, or whose status is refused, is an error at once.
func (w *Worker) report(
	ctx context.Context, operation string, job store.Job,
	publish func(ctx context.Context, job store.Job) error,
) error {
	return retry.Do(ctx, w.log, operation, func(ctx context.Context) error {
		err := publish(ctx, job)
		var uncounted *progress.CountError
		if errors.As(err, &uncounted) || isRefused(err) {
			return retry.Permanent(err)
		}
		return err
	})
}
