package worker

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/retry"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// maxFieldBytes bounds the value of a field of a log entry.
const maxFieldBytes = 2 << 10

// publishLog publishes an entry of the job's log and retries until it is confirmed or ctx ends.
func (w *Worker) publishLog(
	ctx context.Context, task *jobspb.DownloadTask, level jobspb.LogLevel, message string,
	fields map[string]string,
) error {
	for name, value := range fields {
		fields[name] = truncate(value)
	}
	log := &jobspb.JobLog{
		JobId: task.GetJobId(), ResourceId: task.GetResourceId(), Level: level, Message: message,
		Fields: fields, TimestampMs: uint64(time.Now().UnixMilli()),
	}
	if jobs.IsTraceID(task.GetTraceId()) {
		log.TraceId = task.GetTraceId()
	}
	return retry.Do(ctx, w.log, "publish log entry", func(ctx context.Context) error {
		_, err := w.publisher.PublishJobLog(ctx, log)
		return err
	})
}

// truncate returns s as valid UTF-8 of at most maxFieldBytes bytes. Protobuf requires UTF-8, and a
// server's response may hold anything.
func truncate(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= maxFieldBytes {
		return s
	}
	end := maxFieldBytes
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
