package worker

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/progress"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// codeStorage is the failure code of errors of the store.
const codeStorage = "STORAGE_WRITE"

// errNotAdmitted is why a task waits that has not begun.
var errNotAdmitted = errors.New("the host or the job has as many downloads as it may have")

// handleFailure logs a failed attempt and returns the error for the consumer: permanent, with a
// delay, or to be retried.
func (w *Worker) handleFailure(
	ctx context.Context, task *jobspb.DownloadTask, origin topic.Origin, attempts int,
	err error, fields map[string]string,
) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // the process stops or the partition is lost: not a failed task
	}
	if w.isUnavailable(err) {
		return err // nor is this one, and the consumer logs it
	}
	// The consumer logs a warning with the same message id and trace id. This entry adds the job.
	w.log.Debug("download failed",
		zap.String("job_id", task.GetJobId()), zap.String("resource_id", task.GetResourceId()),
		zap.String("message_id", uuid.UUID(origin.ID).String()), telemetry.TraceID(ctx),
		zap.Int("attempt", attempts), zap.Error(err))
	fields["code"], fields["error"] = topic.CodeOf(err), err.Error()
	logErr := w.publishLog(ctx, task, jobspb.LogLevel_LOG_LEVEL_WARN, "attempt failed", fields)
	if logErr != nil {
		return logErr
	}
	var failed *download.Error
	switch {
	case !errors.As(err, &failed):
		return err
	case !failed.Retryable:
		return consumer.Permanent(err)
	case failed.RetryAfter > 0:
		return consumer.RetryAfter(failed.RetryAfter, err)
	}
	return err
}

// retryAfter returns the time that the host asks for.
func retryAfter(err error) time.Duration {
	var failed *download.Error
	if errors.As(err, &failed) {
		return failed.RetryAfter
	}
	return 0
}

// isUnavailable reports whether the machine is to blame for err, and not the task or its job.
func (w *Worker) isUnavailable(err error) bool {
	var storage *storageError
	var uncounted *progress.CountError
	if errors.As(err, &storage) || errors.As(err, &uncounted) {
		return w.store.IsUnavailable(err)
	}
	return store.IsUnavailable(err)
}

// isRefused reports whether a message can't be published, however often that is tried: it is not
// valid or too large, or the publisher is closed.
func isRefused(err error) bool {
	var invalid *jobs.FieldError
	return errors.As(err, &invalid) || errors.Is(err, iggyerr.ErrTooLarge) ||
		errors.Is(err, iggyerr.ErrEmptyPayload) || errors.Is(err, iggyerr.ErrClosed)
}

// storageError is an error of the store. Another attempt may succeed.
type storageError struct{ err error }

func (e *storageError) Error() string { return e.err.Error() }

func (e *storageError) Unwrap() error { return e.err }

func (e *storageError) FailureCode() string { return codeStorage }
