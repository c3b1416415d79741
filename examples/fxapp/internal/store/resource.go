package store

import (
	"io"
	"os"
	"path"
)

// Resource is a fetched resource that is being written.
type Resource struct {
	*File
	name string
}

// CreateResource begins to write a resource of a job. It must end with Commit
// or Abort; Abort after Commit does nothing.
func (s *Store) CreateResource(job Job, id string) (*Resource, error) {
	f, err := s.create()
	if err != nil {
		return nil, err
	}
	return &Resource{File: f, name: resourceName(job, id)}, nil
}

// Commit makes the resource visible, whole, and durable.
func (r *Resource) Commit() error { return r.commit(r.name) }

// HasResource tells whether a resource has been fetched.
func (s *Store) HasResource(job Job, id string) (bool, error) {
	return s.exists(resourceName(job, id))
}

// OpenResource reads a fetched resource.
func (s *Store) OpenResource(job Job, id string) (io.ReadCloser, error) {
	return s.root.OpenFile(resourceName(job, id), os.O_RDONLY, 0)
}

func resourceName(job Job, id string) string { return path.Join(job.dir("resources"), Name(id)) }
