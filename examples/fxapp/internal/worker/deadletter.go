package worker

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/retry"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// DeadLetter publishes a failed task as a dead letter and stores the failure. It implements
// consumer.DeadLetters for the consumer of jobs.tasks. The dead letter is confirmed first, so that
// each reported failure has one.
func (w *Worker) DeadLetter(ctx context.Context, f topic.Failure[*jobspb.DownloadTask]) error {
	ctx, end := w.startSpan(ctx, "dead letter", f.Value, f.Headers)
	err := w.deadLetter(ctx, f)
	end(err)
	return err
}

func (w *Worker) deadLetter(ctx context.Context, f topic.Failure[*jobspb.DownloadTask]) error {
	if !f.Decoded || checkTask(f.Value) != nil {
		return w.publisher.DeadLetter(ctx, f) // the task identifies no job
	}
	task, job := f.Value, jobOf(f.Value)
	deadLettered, err := w.isDeadLettered(job, task, f.Origin)
	if err != nil {
		return err
	}
	if !deadLettered {
		if err := w.publisher.DeadLetter(ctx, f); err != nil {
			return err
		}
		letter, _ := jobs.NewDeadLetter(f, time.Now()) // truncates the texts
		err := retry.Do(ctx, w.log, "store failure", func(context.Context) error {
			return w.store.PutFailure(job, task.GetResourceId(), store.Failure{
				Code: letter.GetFailureCode(), Message: letter.GetFailureMessage(),
				MessageID: messageID(f.Origin), At: time.Now().UTC(),
			})
		})
		if err != nil {
			return err
		}
	}
	err = w.publishLog(ctx, task, jobspb.LogLevel_LOG_LEVEL_ERROR, "given up", map[string]string{
		"attempts": strconv.Itoa(f.Attempts), "code": f.Code, "error": f.Err.Error(),
	})
	if err != nil {
		return err
	}
	return retry.Do(ctx, w.log, "report job", func(ctx context.Context) error {
		return w.progress.Report(ctx, job)
	})
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
