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

// CodeDamaged is the code of a failure that was stored and can't be read.
const CodeDamaged = "STORAGE_DAMAGED"

// PutFailure stores the failure of a resource.
func (s *Store) PutFailure(job Job, id string, f Failure) error {
	return s.putJSON(failureName(job, id), f)
}

// Failure returns the failure of a resource, or ErrNotFound when there is none, or it is damaged.
func (s *Store) Failure(job Job, id string) (Failure, error) {
	return s.readFailure(failureName(job, id))
}

func (s *Store) readFailure(name string) (Failure, error) {
	var f Failure
	err := s.getJSON(name, &f, func() bool { return f.Code != "" })
	return f, err
}

func failureName(job Job, id string) string { return path.Join(job.dir("failures"), FileName(id)) }
