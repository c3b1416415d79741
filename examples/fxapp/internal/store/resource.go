package store

import (
	"io"
	"os"
	"path"
)

// Resource is a downloaded resource that is being written.
type Resource struct {
	*atomicFile
	name string
}

// CreateResource starts to write a resource of a job. The caller must call Commit or Abort. Abort
// after Commit does nothing.
func (s *Store) CreateResource(job Job, id string) (*Resource, error) {
	f, err := s.create()
	if err != nil {
		return nil, err
	}
	return &Resource{atomicFile: f, name: resourceName(job, id)}, nil
}

// Commit makes the complete resource visible and durable.
func (r *Resource) Commit() error { return r.commit(r.name) }

// HasResource reports whether a resource is stored.
func (s *Store) HasResource(job Job, id string) (bool, error) {
	return s.exists(resourceName(job, id))
}

// OpenResource opens a stored resource for reading.
func (s *Store) OpenResource(job Job, id string) (io.ReadCloser, error) {
	return s.root.OpenFile(resourceName(job, id), os.O_RDONLY, 0)
}

func resourceName(job Job, id string) string { return path.Join(job.dir("resources"), FileName(id)) }
