package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"
)

// ErrNotFound is returned when the store does not hold the requested object.
var ErrNotFound = fs.ErrNotExist

// Job identifies a job.
type Job struct{ Type, ID string }

func (j Job) dir(kind string) string { return path.Join(kind, FileName(j.Type), FileName(j.ID)) }

// Store is an open directory. All methods are safe for concurrent use, also by several processes.
type Store struct {
	root *os.Root
}

const temporaryDir = "tmp"

// maxTemporaryAge is the age from which a temporary file is considered left over from a crashed
// process. A download takes less time.
const maxTemporaryAge = 24 * time.Hour

// Open opens the store in dir and creates dir when it is missing. The store never reads or writes
// outside of dir, even if dir holds symbolic links.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s := &Store{root: root}
	if err := s.removeTemporary(time.Now().Add(-maxTemporaryAge)); err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("store: %w", err)
	}
	return s, nil
}

// Close closes the directory.
func (s *Store) Close() error { return s.root.Close() }

// Check returns an error when the store cannot be written. It does what the work does, in each of
// the directories: write, sync and rename, or append.
func (s *Store) Check() error {
	for _, dir := range []string{"resources", "failures", "manifests", "canceled"} {
		if err := s.checked(path.Join(dir, checkName()), s.putJSON); err != nil {
			return err
		}
	}
	for _, dir := range []string{"ledger", "logs"} {
		if err := s.checked(path.Join(dir, checkName()), s.appendLine); err != nil {
			return err
		}
	}
	return nil
}

// checkName is the name of a file that Check writes. No job has it.
func checkName() string { return ".check-" + rand.Text() }

// checked writes a file and removes it.
func (s *Store) checked(name string, write func(name string, v any) error) error {
	err := write(name, "check")
	if removed := s.root.Remove(name); err == nil && removed != nil {
		return fmt.Errorf("store: %w", removed)
	}
	return err
}

// removeTemporary removes the temporary files that were last written before the given time.
func (s *Store) removeTemporary(before time.Time) error {
	if err := s.root.MkdirAll(temporaryDir, 0o750); err != nil {
		return err
	}
	entries, err := s.list(temporaryDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().Before(before) {
			_ = s.root.Remove(path.Join(temporaryDir, e.Name()))
		}
	}
	return nil
}

// list returns the entries of a directory, none when it does not exist.
func (s *Store) list(dir string) ([]fs.DirEntry, error) {
	d, err := s.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	defer func() { _ = d.Close() }()
	entries, err := d.ReadDir(-1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("store: %w", err)
	}
	return entries, nil
}

func (s *Store) exists(name string) (bool, error) {
	_, err := s.root.Lstat(name)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, fmt.Errorf("store: %w", err)
}
