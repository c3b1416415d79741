package worker

import (
	"context"
	"errors"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/retry"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// DeadLetter publishes a failed task as a dead letter and stores the failure. It implements
// consumer.DeadLetters for the consumer of jobs.tasks. The dead letter is confirmed first, so that
// each reported failure has one.
//
// The consumer repeats a DeadLetter that fails, and its partition waits. So the error is one of the
// environment: a failure that can't be stored or counted because of its job is logged.
func (w *Worker) DeadLetter(ctx context.Context, f topic.Failure[*jobspb.DownloadTask]) error {
	ctx, end := w.startSpan(ctx, "dead letter", f.Value, f.Headers)
	err := w.deadLetter(ctx, f)
	end(err)
	return err
}

func (w *Worker) deadLetter(ctx context.Context, f topic.Failure[*jobspb.DownloadTask]) error {
	if !f.Decoded || checkTask(f.Value) != nil {
		return w.publishDeadLetter(ctx, w.log, f) // the task identifies no job
	}
	task, job := f.Value, jobOf(f.Value)
	log := w.log.With(zap.String("job_id", job.ID), zap.String("resource_id", task.GetResourceId()))
	deadLettered, err := w.isDeadLettered(job, task, f.Origin)
	switch {
	case w.store.IsUnavailable(err):
		return err
	case err != nil:
		log.Error("stored failure not read", zap.Error(err))
	}
	if !deadLettered {
		if err := w.publishDeadLetter(ctx, log, f); err != nil {
			return err
		}
		if err := w.storeFailure(ctx, log, job, f); err != nil {
			return err
		}
	}
	err = w.publishLog(ctx, task, jobspb.LogLevel_LOG_LEVEL_ERROR, "given up", map[string]string{
		"attempts": strconv.Itoa(f.Attempts), "code": f.Code, "error": f.Err.Error(),
	})
	if err != nil {
		return err
	}
	err = w.report(ctx, "report job", job, w.progress.Report)
	if isPermanent := !w.isUnavailable(err) && !errors.Is(err, iggyerr.ErrClosed); err != nil && ctx.Err() == nil && isPermanent {
		log.Error("job of a failed task not reported", zap.Error(err))
		return nil
	}
	return err
}

// publishDeadLetter publishes a dead letter. One that is refused is logged.
func (w *Worker) publishDeadLetter(
	ctx context.Context, log *zap.Logger, f topic.Failure[*jobspb.DownloadTask],
) error {
	err := w.publisher.DeadLetter(ctx, f)
	if isRefused(err) && !errors.Is(err, iggyerr.ErrClosed) {
		log.Error("dead letter refused", zap.String("message_id", messageID(f.Origin)), zap.Error(err))
		return nil
	}
	return err
}

// storeFailure stores a failure and retries until the machine can store it or ctx ends.
func (w *Worker) storeFailure(
	ctx context.Context, log *zap.Logger, job store.Job, f topic.Failure[*jobspb.DownloadTask],
) error {
	letter, _ := jobs.NewDeadLetter(f, time.Now()) // truncates the texts
	failure := store.Failure{
		Code: letter.GetFailureCode(), Message: letter.GetFailureMessage(),
		MessageID: messageID(f.Origin), At: time.Now().UTC(),
	}
	err := retry.Do(ctx, w.log, "store failure", func(context.Context) error {
		err := w.store.PutFailure(job, f.Value.GetResourceId(), failure)
		if !w.store.IsUnavailable(err) {
			return retry.Permanent(err)
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		log.Error("failure not stored", zap.Error(err))
		return nil
	}
	return err
}

// isDeadLettered reports whether the message at origin was dead lettered. A message with the same
// task at another offset is a replay, which gets new attempts.
func (w *Worker) isDeadLettered(
	job store.Job, task *jobspb.DownloadTask, origin topic.Origin,
) (bool, error) {
	failure, err := w.store.Failure(job, task.GetResourceId())
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && failure.MessageID == messageID(origin), err
}
