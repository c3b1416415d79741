package store

import (
	"path"
	"time"
)

// Cancel marks a job as canceled: the API has refused it, but some of its tasks may have been
// published. Workers skip the tasks of canceled jobs.
func (s *Store) Cancel(job Job) error {
	return s.putJSON(canceledName(job), time.Now().UTC())
}

// IsCanceled reports whether a job is canceled.
func (s *Store) IsCanceled(job Job) (bool, error) { return s.exists(canceledName(job)) }

func canceledName(job Job) string {
	return path.Join("canceled", FileName(job.Type), FileName(job.ID)+".json")
}
