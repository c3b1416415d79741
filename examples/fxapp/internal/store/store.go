package store

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"time"
)

// ErrNotFound is returned for what the store doesn't have.
var ErrNotFound = fs.ErrNotExist

// Job names a job.
type Job struct{ Type, ID string }

func (j Job) dir(kind string) string { return path.Join(kind, Name(j.Type), Name(j.ID)) }

// Store is the directory. All methods are safe for concurrent use, also by
// several processes.
type Store struct {
	root *os.Root
}

const temporary = "tmp"

// abandoned is the age at which a temporary file is taken for one that a
// crashed process left behind. A download takes less.
const abandoned = 24 * time.Hour

// Open opens the store in dir, which is made when it is missing. Nothing is
// ever read or written outside of it, whatever symbolic links it holds.
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
	if err := s.sweep(time.Now().Add(-abandoned)); err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("store: %w", err)
	}
	return s, nil
}

// Close releases the directory.
func (s *Store) Close() error { return s.root.Close() }

// Check reports whether the store can be written.
func (s *Store) Check() error {
	f, err := s.create()
	if err != nil {
		return err
	}
	f.Abort()
	return nil
}

// sweep removes the temporary files from before the given time.
func (s *Store) sweep(before time.Time) error {
	if err := s.root.MkdirAll(temporary, 0o750); err != nil {
		return err
	}
	entries, err := s.list(temporary)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().Before(before) {
			_ = s.root.Remove(path.Join(temporary, e.Name()))
		}
	}
	return nil
}

// File is a file that is being written. It comes into being with Commit.
type File struct {
	store *Store
	file  *os.File
	name  string // the temporary one
}

func (s *Store) create() (*File, error) {
	name := path.Join(temporary, rand.Text())
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return &File{store: s, file: f, name: name}, nil
}

// Write appends to the file.
func (f *File) Write(p []byte) (int, error) { return f.file.Write(p) }

// commit gives the file its name, replacing what has it. On failure
// nothing is left.
func (f *File) commit(name string) (err error) {
	defer func() {
		if err != nil {
			f.Abort()
			err = fmt.Errorf("store: %w", err)
		}
	}()
	if err := f.file.Sync(); err != nil {
		return err
	}
	if err := f.file.Close(); err != nil {
		return err
	}
	if err := f.store.root.MkdirAll(path.Dir(name), 0o750); err != nil {
		return err
	}
	if err := f.store.root.Rename(f.name, name); err != nil {
		return err
	}
	return f.store.sync(path.Dir(name))
}

// Abort removes the file, unless it has come into being.
func (f *File) Abort() {
	_ = f.file.Close()
	_ = f.store.root.Remove(f.name)
}

// sync makes the names in a directory outlive a crash of the machine.
func (s *Store) sync(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories can't be synced there
	}
	d, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

// putJSON writes v as a file.
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

// getJSON reads a file that putJSON wrote; ErrNotFound when there is none.
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

// list are the entries of a directory; none when it doesn't exist.
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
