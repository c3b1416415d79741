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
	Resources uint32    `json:"resource_count"`
	Tenant    string    `json:"tenant,omitempty"`
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

// Abandon notes that the submitter of a job was told that it was not accepted,
// though some of its tasks may be on their way. Nobody should do them.
func (s *Store) Abandon(job Job) error {
	return s.putJSON(abandonedName(job), time.Now().UTC())
}

// IsAbandoned tells whether a job was abandoned.
func (s *Store) IsAbandoned(job Job) (bool, error) { return s.exists(abandonedName(job)) }

func abandonedName(job Job) string {
	return path.Join("abandoned", Name(job.Type), Name(job.ID)+".json")
}

func manifestName(job Job) string {
	return path.Join("manifests", Name(job.Type), Name(job.ID)+".json")
}
