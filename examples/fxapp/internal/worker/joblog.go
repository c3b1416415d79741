package worker

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/bounded"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/retry"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// maxFieldBytes bounds the value of a field of a log entry.
const maxFieldBytes = 2 << 10

// publishLog publishes an entry of the job's log and retries until it is confirmed or ctx ends. An
// entry that is refused is logged: the task does not fail for it.
func (w *Worker) publishLog(
	ctx context.Context, task *jobspb.DownloadTask, level jobspb.LogLevel, message string,
	fields map[string]string,
) error {
	for name, value := range fields {
		fields[name] = bounded.Text(value, maxFieldBytes)
	}
	log := &jobspb.JobLog{
		JobId: task.GetJobId(), ResourceId: task.GetResourceId(), Level: level, Message: message,
		Fields: fields, TimestampMs: uint64(time.Now().UnixMilli()),
	}
	if jobs.IsTraceID(task.GetTraceId()) {
		log.TraceId = task.GetTraceId()
	}
	err := retry.Do(ctx, w.log, "publish log entry", func(ctx context.Context) error {
		_, err := w.publisher.PublishJobLog(ctx, log)
		if isRefused(err) {
			return retry.Permanent(err)
		}
		return err
	})
	if isRefused(err) && !errors.Is(err, iggyerr.ErrClosed) {
		w.log.Error("log entry refused", zap.String("job_id", task.GetJobId()), zap.Error(err))
		return nil
	}
	return err
}
