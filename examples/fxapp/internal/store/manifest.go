package store

import (
	"encoding/json"
	"path"
	"time"
)

// Manifest is a submitted job.
type Manifest struct {
	JobID   string `json:"job_id"`
	JobType string `json:"job_type"`
	// Resources is the number of resources.
	Resources uint32    `json:"resource_count"`
	Tenant    string    `json:"tenant,omitempty"`
	At        time.Time `json:"submitted_at"`
	// Submitted is the manifest as it was submitted.
	Submitted json.RawMessage `json:"manifest"`
}

// Key returns the manifest's key in the store.
func (m Manifest) Key() string { return manifestName(Job{Type: m.JobType, ID: m.JobID}) }

// PutManifest stores a manifest and replaces an earlier one of the same job.
func (s *Store) PutManifest(m Manifest) error { return s.putJSON(m.Key(), m) }

// Manifest returns the manifest of a job, or ErrNotFound when the job was not submitted to the API,
// or its manifest is damaged.
func (s *Store) Manifest(job Job) (Manifest, error) {
	var m Manifest
	err := s.getJSON(manifestName(job), &m, func() bool { return m.JobID == job.ID && m.JobType == job.Type })
	return m, err
}

func manifestName(job Job) string {
	return path.Join("manifests", FileName(job.Type), FileName(job.ID)+".json")
}
