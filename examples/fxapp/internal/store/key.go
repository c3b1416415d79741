package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"
)

// Key is what is kept of an idempotency key of a submitted job.
type Key struct {
	JobID string `json:"job_id"`
	// Digest identifies what was submitted.
	Digest string    `json:"digest"`
	At     time.Time `json:"at"`
	// Accepted is set when the job was accepted. Until then its submission runs, or has ended without
	// a result.
	Accepted bool `json:"accepted"`
}

// CreateKey stores a key that does not exist yet, and returns true. Of several processes, one gets
// true. When the key exists, it returns the existing one and false.
func (s *Store) CreateKey(key string, k Key) (Key, bool, error) {
	for {
		err := s.createKey(key, k)
		if !errors.Is(err, fs.ErrExist) {
			return k, err == nil, err
		}
		var existing Key
		err = s.getJSON(keyName(key), &existing, func() bool { return existing.JobID != "" })
		if !errors.Is(err, ErrNotFound) { // it was removed meanwhile, or put aside
			return existing, false, err
		}
	}
}

// createKey stores a key, and returns an error that matches fs.ErrExist when it exists.
func (s *Store) createKey(key string, k Key) error {
	b, err := encodeJSON(k)
	if err != nil {
		return err
	}
	f, err := s.create()
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(b); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return f.commitNew(keyName(key))
}

// PutKey stores a key and replaces an existing one.
func (s *Store) PutKey(key string, k Key) error { return s.putJSON(keyName(key), k) }

// RemoveKey removes a key, so that it may be used again.
func (s *Store) RemoveKey(key string) error {
	if err := s.root.Remove(keyName(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

func keyName(key string) string { return path.Join("keys", FileName(key)+".json") }

// commitNew is commit, but returns an error that matches fs.ErrExist when there is a file of that
// name.
func (f *atomicFile) commitNew(name string) error {
	err := f.file.Sync()
	if err == nil {
		err = f.store.root.MkdirAll(path.Dir(name), 0o750)
	}
	if err == nil {
		err = f.store.root.Link(f.name, name)
	}
	if err == nil {
		err = f.store.sync(path.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}
