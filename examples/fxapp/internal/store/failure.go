package store

import (
	"path"
	"time"
)

// Failure is why the download of a resource failed for good.
type Failure struct {
	// Code and Message are those of the dead letter.
	Code    string `json:"code"`
	Message string `json:"message"`
	// MessageID identifies the message whose task failed. A redelivery of this message needs no
	// further attempt. A replayed task is a message with another id.
	MessageID string    `json:"message_id"`
	At        time.Time `json:"at"`
}

// PutFailure stores the failure of a resource.
func (s *Store) PutFailure(job Job, id string, f Failure) error {
	return s.putJSON(failureName(job, id), f)
}

// Failure returns the failure of a resource, or ErrNotFound when there is none.
func (s *Store) Failure(job Job, id string) (Failure, error) {
	var f Failure
	err := s.getJSON(failureName(job, id), &f)
	return f, err
}

func failureName(job Job, id string) string { return path.Join(job.dir("failures"), FileName(id)) }
