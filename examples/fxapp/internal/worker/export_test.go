package worker

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Process processes the task of the message at origin.
func (w *Worker) Process(
	ctx context.Context, task *jobspb.DownloadTask, origin topic.Origin, attempts int,
) error {
	return w.process(ctx, task, origin, attempts)
}
