package store

import (
	"crypto/rand"
	"fmt"
	"os"
	"path"
	"runtime"
)

// atomicFile is a file that is being written under a temporary name. commit gives it its final
// name.
type atomicFile struct {
	store *Store
	file  *os.File
	name  string // the temporary name
}

func (s *Store) create() (*atomicFile, error) {
	name := path.Join(temporaryDir, temporaryPrefix+rand.Text())
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return &atomicFile{store: s, file: f, name: name}, nil
}

// Write appends to the file.
func (f *atomicFile) Write(p []byte) (int, error) { return f.file.Write(p) }

// commit syncs the file and renames it to name, replacing an existing file. On failure it removes
// the file.
func (f *atomicFile) commit(name string) (err error) {
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
	if err := f.store.requireRegular(name); err != nil {
		return err
	}
	if err := f.store.root.Rename(f.name, name); err != nil {
		return err
	}
	return f.store.sync(path.Dir(name))
}

// Abort removes the file. It does nothing after a commit.
func (f *atomicFile) Abort() {
	_ = f.file.Close()
	_ = f.store.root.Remove(f.name)
}

// sync makes the entries of a directory durable.
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
