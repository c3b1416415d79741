package store

import (
	"fmt"
	"path"
	"time"
)

// Failure is why a resource was given up.
type Failure struct {
	// Code and Message are the dead letter's.
	Code    string `json:"code"`
	Message string `json:"message"`
	// Record is the id of the record that was given up. The same record, when it
	// is delivered again, is thus known to be done with; a task that was
	// put back is another record.
	Record string    `json:"record"`
	At     time.Time `json:"at"`
}

// PutFailure notes that a resource was given up.
func (s *Store) PutFailure(job Job, id string, f Failure) error {
	return s.putJSON(failureName(job, id), f)
}

// Failure is why a resource was given up; ErrNotFound when it was not.
func (s *Store) Failure(job Job, id string) (Failure, error) {
	var f Failure
	err := s.getJSON(failureName(job, id), &f)
	return f, err
}

func failureName(job Job, id string) string { return path.Join(job.dir("failures"), Name(id)) }

// Count is how many of a job's resources are finished.
type Count struct {
	// Completed are those that were fetched, Failed those that were given up
	// and not fetched later.
	Completed, Failed uint32
	// Last is the latest failure among the failed.
	Last *Failure
}

// Count counts what is stored for a job. It counts resources and not events: a
// task that is done twice counts once. Completed, and the sum of both numbers,
// never fall.
func (s *Store) Count(job Job) (Count, error) {
	// Failures first: a resource that is fetched in between counts as fetched.
	failures, err := s.list(job.dir("failures"))
	if err != nil {
		return Count{}, err
	}
	resources, err := s.list(job.dir("resources"))
	if err != nil {
		return Count{}, err
	}
	fetched := make(map[string]struct{}, len(resources))
	for _, e := range resources {
		fetched[e.Name()] = struct{}{}
	}
	count := Count{Completed: uint32(len(resources))}
	var last string
	var at time.Time
	for _, e := range failures {
		if _, ok := fetched[e.Name()]; ok {
			continue
		}
		count.Failed++
		info, err := e.Info()
		if err != nil {
			return Count{}, fmt.Errorf("store: %w", err)
		}
		if last == "" || info.ModTime().After(at) {
			last, at = e.Name(), info.ModTime()
		}
	}
	if last != "" {
		count.Last = new(Failure)
		if err := s.getJSON(path.Join(job.dir("failures"), last), count.Last); err != nil {
			return Count{}, err
		}
	}
	return count, nil
}
