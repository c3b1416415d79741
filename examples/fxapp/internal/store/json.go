package store

import (
	"encoding/json"
	"fmt"
)

// putJSON writes v to a file, as JSON.
func (s *Store) putJSON(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	f, err := s.create()
	if err != nil {
		return err
	}
	if _, err := f.Write(append(b, '\n')); err != nil {
		f.Abort()
		return fmt.Errorf("store: %w", err)
	}
	return f.commit(name)
}

// getJSON reads a file that putJSON wrote into v. It returns ErrNotFound when there is none.
func (s *Store) getJSON(name string, v any) error {
	b, err := s.root.ReadFile(name)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("store: %s: %w", name, err)
	}
	return nil
}
