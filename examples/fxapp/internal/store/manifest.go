package store

import (
	"encoding/json"
	"path"
	"time"
)

// Manifest is a job as it was submitted.
type Manifest struct {
	JobID   string `json:"job_id"`
	JobType string `json:"job_type"`
	// Resources is how many there are.
	Resources uint32 `json:"resource_count"`
	Tenant    string `json:"tenant,omitempty"`
	// Abandoned is set when the submitter was told that the job was not
	// accepted, though some of its tasks may be on their way.
	Abandoned bool      `json:"abandoned,omitempty"`
	At        time.Time `json:"submitted_at"`
	// Submitted is the manifest itself.
	Submitted json.RawMessage `json:"manifest"`
}

// Key is the manifest's key in the store.
func (m Manifest) Key() string { return manifestName(Job{Type: m.JobType, ID: m.JobID}) }

// PutManifest stores a manifest, in place of the one that was there.
func (s *Store) PutManifest(m Manifest) error { return s.putJSON(m.Key(), m) }

// Manifest is the manifest of a job; ErrNotFound when the job came some other way.
func (s *Store) Manifest(job Job) (Manifest, error) {
	var m Manifest
	err := s.getJSON(manifestName(job), &m)
	return m, err
}

func manifestName(job Job) string {
	return path.Join("manifests", Name(job.Type), Name(job.ID)+".json")
}
