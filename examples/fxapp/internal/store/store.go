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
	"regexp"
	"slices"
	"time"

	"go.uber.org/zap"
)

// ErrNotFound is returned when the store does not hold the requested object.
var ErrNotFound = fs.ErrNotExist

// Job identifies a job.
type Job struct{ Type, ID string }

func (j Job) dir(kind string) string { return path.Join(kind, FileName(j.Type), FileName(j.ID)) }

// Store is an open directory. All methods are safe for concurrent use, also by several processes.
type Store struct {
	root   *os.Root
	log    *zap.Logger
	states stateCache
}

// An Option changes a Store.
type Option func(*Store)

// WithLogger has the store log the files that it puts aside.
func WithLogger(log *zap.Logger) Option { return func(s *Store) { s.log = log.Named("store") } }

const temporaryDir = "tmp"

// temporaryPrefix is the beginning of the names of temporary files, and temporaryName what they
// look like: the directory may hold files of others.
const temporaryPrefix = "fetchbox-"

var temporaryName = regexp.MustCompile("^" + temporaryPrefix + "[A-Z2-7]{26}$")

var errNoDirectory = errors.New("store: the directory must be named")

// maxTemporaryAge is the age from which a temporary file is considered left over from a crashed
// process. A download takes less time.
const maxTemporaryAge = 24 * time.Hour

// Open opens the store in dir and creates dir when it is missing. The store never reads or writes
// outside of dir, even if dir holds symbolic links, and changes no files in dir but its own. A file
// of its own that it can't read is put aside: moved to the directory damaged, and logged.
func Open(dir string, opts ...Option) (*Store, error) {
	if dir == "" {
		return nil, errNoDirectory
	}
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
	s := &Store{root: root, log: zap.NewNop()}
	for _, opt := range opts {
		opt(s)
	}
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
		if !temporaryName.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
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

// listFiles returns the store's own files in a directory, none when it does not exist.
func (s *Store) listFiles(dir string) ([]fs.DirEntry, error) {
	entries, err := s.list(dir)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return !e.Type().IsRegular() || !isFileName(e.Name())
	}), err
}

// exists reports whether there is a regular file. The store makes no others.
func (s *Store) exists(name string) (bool, error) {
	info, err := s.root.Lstat(name)
	switch {
	case err == nil:
		return info.Mode().IsRegular(), nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, fmt.Errorf("store: %w", err)
}
