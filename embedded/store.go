package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	lockName      = "lock"
	partitionsDir = "partitions"
	// newSuffix ends the name of a file that replaces another one when it is complete.
	newSuffix = ".new"
	// maxPartitionFile and maxStateFile are larger than any file that a server writes. What is larger
	// is not read.
	maxPartitionFile = 4 << 30
	maxStateFile     = 256 << 20
	// failureLogInterval is the shortest time between two log entries about the same failure.
	failureLogInterval = time.Minute
)

// store is the directory of a server that keeps its state:
//
//	lock                    locked while a server runs
//	state.json              streams, topics, groups, users and tokens, replaced at every change
//	state.copy.json         the same, read when state.json is damaged
//	partitions/P-BASE.log   the messages of partition P from the offset BASE on, see log_frame.go
//	partitions/P.offsets    the offsets stored in partition P, see offset_log.go
//	set-aside               damaged and foreign files
//
// P is a number that no other partition ever gets, so that files left over from a deleted partition
// can't be taken for those of another one. Nothing outside of the directory is read or written, and
// no symbolic link in it is followed.
type store struct {
	root *os.Root
	log  *zap.Logger
	lock *os.File
	// fsync says that the state reaches the disk before a change is confirmed.
	fsync bool

	// mu orders the writes of the state.
	mu      sync.Mutex
	lastUID uint64

	failureMu     sync.Mutex
	failureLogged map[string]time.Time
}

// errLocked is returned by lockFile when another server has locked the file.
var errLocked = errors.New("locked")

func openStore(dir string, log *zap.Logger, fsync bool) (*store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("embedded: directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("embedded: directory: %w", err)
	}
	st := &store{root: root, log: log, fsync: fsync, failureLogged: map[string]time.Time{}}
	if err := st.open(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return st, nil
}

// open locks the directory and prepares it.
func (st *store) open() error {
	err := st.requireRegular(lockName, maxStateFile)
	if err == nil {
		st.lock, err = lockFile(st.root, lockName)
	}
	if errors.Is(err, errLocked) {
		return fmt.Errorf("embedded: directory %s is in use by another server", st.root.Name())
	}
	if err == nil {
		if err = st.openPartitions(); err != nil {
			err = errors.Join(err, st.lock.Close())
		}
	}
	if err != nil {
		return fmt.Errorf("embedded: directory %s: %w", st.root.Name(), err)
	}
	return nil
}

// openPartitions creates the directory of the partitions. A symbolic link in its place is refused
// and not set aside, since somebody keeps the messages elsewhere.
func (st *store) openPartitions() error {
	switch info, err := st.root.Lstat(partitionsDir); {
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link, which is not followed", partitionsDir)
	case err == nil && !info.IsDir():
		if _, err := st.setAside(partitionsDir); err != nil {
			return err
		}
		st.logSetAside("not a directory", []string{partitionsDir})
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return st.root.MkdirAll(partitionsDir, 0o755)
}

func (st *store) close() error { return errors.Join(st.lock.Close(), st.root.Close()) }

// path returns the path of a file for people.
func (st *store) path(name string) string {
	return filepath.Join(st.root.Name(), filepath.FromSlash(name))
}

// partitionFile returns the name of a file of a partition in the directory.
func partitionFile(name string) string { return path.Join(partitionsDir, name) }

// newUID returns a number for a new partition. It needs the catalog's lock for writing.
func (st *store) newUID() uint64 {
	st.lastUID++
	return st.lastUID
}

// requireRegular sets aside what has the name of a file of the server and is none, such as a
// symbolic link, a directory or a pipe, or is larger than maxSize.
func (st *store) requireRegular(name string, maxSize int64) error {
	info, err := st.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() <= maxSize {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := st.setAside(name); err != nil {
		return err
	}
	st.logSetAside("not of this server", []string{name})
	return nil
}

// writeFile writes a new file, with sync to the disk.
func (st *store) writeFile(name string, b []byte, sync bool) error {
	file, err := st.root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	if err == nil && sync {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// replaceFile replaces a file. The new file is complete before it replaces the old one.
func (st *store) replaceFile(name string, b []byte, sync bool) error {
	if err := st.requireRegular(name+newSuffix, maxPartitionFile); err != nil {
		return err
	}
	if err := st.writeFile(name+newSuffix, b, sync); err != nil {
		return err
	}
	if err := st.root.Rename(name+newSuffix, name); err != nil {
		return err
	}
	if sync {
		return st.syncDir(path.Dir(name))
	}
	return nil
}

// syncDir writes the names in a directory to the disk.
func (st *store) syncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil // it can't be done there, and names are on the disk with their files
	}
	dir, err := st.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// foundFiles are the files of one partition that a server finds when it starts.
type foundFiles struct {
	// logs are the offsets in the names of the log files.
	logs    []uint64
	offsets bool
}

// findFiles returns the files of known partitions. It deletes those of deleted partitions, which a
// crash has left, and sets everything else aside.
func (st *store) findFiles(known map[uint64]bool) (map[uint64]foundFiles, error) {
	entries, err := fs.ReadDir(st.root.FS(), partitionsDir)
	if err != nil {
		return nil, err
	}
	found := map[uint64]foundFiles{}
	var aside []string
	for _, e := range entries {
		name := e.Name()
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		usable := info.Mode().IsRegular() && info.Size() <= maxPartitionFile
		if usable && strings.HasSuffix(name, newSuffix) {
			if name, err = st.finishReplacing(name); err != nil {
				return nil, err
			}
			if name == "" {
				continue
			}
		}
		uid, base, isLog, ok := parseFileName(name)
		files := found[uid]
		switch {
		case usable && ok && known[uid] && isLog:
			files.logs = append(files.logs, base)
			found[uid] = files
		case usable && ok && known[uid]:
			files.offsets = true
			found[uid] = files
		case usable && ok && uid <= st.lastUID:
			if err := st.root.Remove(partitionFile(name)); err != nil {
				return nil, err
			}
		default:
			if _, err := st.setAside(partitionFile(name)); err != nil {
				return nil, err
			}
			aside = append(aside, partitionFile(name))
		}
	}
	st.logSetAside("not of this server", aside)
	return found, nil
}

// finishReplacing ends the replacement of a file that a crash has interrupted. The new file is
// complete when the old one is gone. It returns the name of the file when it was replaced.
func (st *store) finishReplacing(name string) (string, error) {
	replaced := strings.TrimSuffix(name, newSuffix)
	if _, _, _, ok := parseFileName(replaced); !ok {
		return name, nil
	}
	_, err := st.root.Lstat(partitionFile(replaced))
	if errors.Is(err, fs.ErrNotExist) {
		return replaced, st.root.Rename(partitionFile(name), partitionFile(replaced))
	}
	if err != nil {
		return "", err
	}
	return "", st.root.Remove(partitionFile(name))
}

// parseFileName returns the number of the partition that a file belongs to, and for a log the
// offset of its first message.
func parseFileName(name string) (uid, base uint64, isLog, ok bool) {
	number, isLog := strings.CutSuffix(name, ".log")
	if isLog {
		var offset string
		number, offset, _ = strings.Cut(number, "-")
		var err error
		if base, err = strconv.ParseUint(offset, 10, 64); err != nil || len(offset) != 20 {
			return 0, 0, false, false
		}
	} else if number, ok = strings.CutSuffix(name, ".offsets"); !ok {
		return 0, 0, false, false
	}
	uid, err := strconv.ParseUint(number, 10, 64)
	return uid, base, isLog, err == nil && strconv.FormatUint(uid, 10) == number
}

// saveChange saves the state after a change, and then deletes the files of deleted partitions.
func (s *Server) saveChange() Status {
	if s.store == nil {
		return StatusOK
	}
	err := s.saveState()
	s.catalog.mu.Lock()
	deleted := s.catalog.deletedPartitions
	s.catalog.deletedPartitions = nil
	s.catalog.mu.Unlock()
	for _, p := range deleted {
		err = errors.Join(err, p.files.remove())
	}
	if err != nil {
		s.store.logFailure("change not written", err)
		return StatusIOError
	}
	return StatusOK
}

// markDeleted closes deleted partitions, whose files the next saveChange deletes. It needs the
// catalog's lock for writing.
func (s *Server) markDeleted(partitions []*partition) {
	for _, p := range partitions {
		p.close()
	}
	if s.store != nil {
		s.catalog.deletedPartitions = append(s.catalog.deletedPartitions, partitions...)
	}
}

// closeStore ends the use of the directory. With crash, what is not written is lost.
func (s *Server) closeStore(crash bool) error {
	if s.store == nil {
		return nil
	}
	var errs []error
	if !crash {
		errs = append(errs, s.savePartitions(s.opts.save.fsync))
	}
	s.catalog.mu.RLock()
	s.catalog.eachTopic(func(t *topic) {
		for _, p := range t.partitions {
			p.files.close()
		}
	})
	s.catalog.mu.RUnlock()
	return errors.Join(append(errs, s.store.close())...)
}
