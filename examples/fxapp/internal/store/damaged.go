package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"go.uber.org/zap"
)

// damagedDir holds what was put aside.
const damagedDir = "damaged"

var (
	errNotRegular = errors.New("not a regular file")
	errTooLarge   = errors.New("larger than any file of the store")
	errForeign    = errors.New("not what the store writes there")
)

// putAside moves a file, or whatever is in its place, out of the way, and logs why.
func (s *Store) putAside(name string, cause error) error {
	to := path.Join(damagedDir, rand.Text(), name)
	err := s.root.MkdirAll(path.Dir(to), 0o750)
	if err == nil {
		err = s.root.Rename(name, to)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another process has put it aside
	}
	if err != nil {
		return fmt.Errorf("store: put %s aside: %w", name, err)
	}
	s.log.Error("damaged file put aside", zap.String("file", name), zap.String("now", to), zap.Error(cause))
	return nil
}

// requireRegular puts aside what is not a regular file, so that a file can be opened or created
// under that name.
func (s *Store) requireRegular(name string) error {
	info, err := s.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("store: %w", err)
	case info.Mode().IsRegular():
		return nil
	}
	return s.putAside(name, errNotRegular)
}
