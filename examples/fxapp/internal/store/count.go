package store

import (
	"errors"
	"fmt"
	"path"
	"time"
)

// Count is the number of finished resources of a job.
type Count struct {
	// Completed counts the downloaded resources. Failed counts the resources with a failure that
	// were not downloaded since.
	Completed, Failed uint32
	// LastFailure is the latest failure of the failed resources.
	LastFailure *Failure
}

// Count counts the stored resources and failures of a job. It counts resources and not events: a
// task that is processed twice counts once. Completed never decreases, nor does the sum of
// Completed and Failed.
func (s *Store) Count(job Job) (Count, error) {
	// Failures are listed first: a resource that is downloaded meanwhile counts as completed.
	failures, err := s.listFiles(job.dir("failures"))
	if err != nil {
		return Count{}, err
	}
	resources, err := s.listFiles(job.dir("resources"))
	if err != nil {
		return Count{}, err
	}
	completed := make(map[string]struct{}, len(resources))
	for _, e := range resources {
		completed[e.Name()] = struct{}{}
	}
	count := Count{Completed: uint32(len(resources))}
	var last string
	var at time.Time
	for _, e := range failures {
		if _, ok := completed[e.Name()]; ok {
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
	if last == "" {
		return count, nil
	}
	failure, err := s.lastFailure(path.Join(job.dir("failures"), last), at)
	if err != nil {
		return Count{}, err
	}
	count.LastFailure = &failure
	return count, nil
}

// lastFailure reads a failure that was stored at the given time. When it is damaged, another one
// replaces it, since the number of failures counts.
func (s *Store) lastFailure(name string, at time.Time) (Failure, error) {
	f, err := s.readFailure(name)
	if errors.Is(err, ErrNotFound) {
		f = Failure{Code: CodeDamaged, Message: "the stored failure was damaged", At: at.UTC()}
		err = s.putJSON(name, f)
	}
	return f, err
}
