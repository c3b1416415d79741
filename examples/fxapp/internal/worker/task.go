package worker

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// maxIDBytes bounds the job type and the resource id, which every message about a task repeats.
const maxIDBytes = 4 << 10

// checkTask returns an error for a task without a usable job id, job type or resource id. Other
// programs than the API may publish tasks.
func checkTask(task *jobspb.DownloadTask) error {
	ids := map[string]string{"job_type": task.GetJobType(), "resource_id": task.GetResourceId()}
	for field, value := range ids {
		if len(value) > maxIDBytes {
			return &jobs.FieldError{
				Message: "DownloadTask", Field: field,
				Rule: fmt.Sprintf("must have at most %d bytes", maxIDBytes),
			}
		}
	}
	var invalid *jobs.FieldError
	for _, err := range joinedErrors(jobs.ValidateTask(task)) {
		if errors.As(err, &invalid) && (invalid.Field == "job_id" || invalid.Field == "resource_id") {
			return err
		}
	}
	return nil
}

// joinedErrors returns the errors that errors.Join joined to err.
func joinedErrors(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return nil
}

func jobOf(task *jobspb.DownloadTask) store.Job {
	return store.Job{Type: task.GetJobType(), ID: task.GetJobId()}
}

// messageID identifies a message by its id and, since other producers may not set one, its
// position.
func messageID(o topic.Origin) string {
	return fmt.Sprintf("%s at %d/%d", uuid.UUID(o.ID), o.Partition, o.Offset)
}
