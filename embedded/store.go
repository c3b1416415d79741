package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Of each partition up to saveMessages messages or saveBytes bytes wait in memory before they are written, but not longer
// than saveInterval, as with the default settings of the real server.
const (
	saveMessages = 1024
	saveBytes    = 1 << 20
	saveInterval = 30 * time.Second
)

// store is the directory of a server that keeps its state:
//
//	lock                    held while a server runs
//	state.json              streams, topics, groups, users and tokens, replaced at every change
//	partitions/P-BASE.log   the messages of partition P from the offset BASE on, see log.go
//	partitions/P.offsets    the offsets stored in partition P, see offsetlog.go
//
// P is a number that no other partition ever gets, so that leftovers of a deleted one cannot be taken for another's.
type store struct {
	dir  string
	log  *zap.Logger
	lock *os.File

	// mu orders the writes of the state.
	mu      sync.Mutex
	lastUID uint64
}

func openStore(dir string, log *zap.Logger) (*store, error) {
	if err := os.MkdirAll(filepath.Join(dir, "partitions"), 0o755); err != nil {
		return nil, fmt.Errorf("embedded: directory: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("embedded: directory %s is in use or cannot be locked: %w", dir, err)
	}
	return &store{dir: dir, log: log, lock: lock}, nil
}

func (st *store) close() error { return st.lock.Close() }

func (st *store) path(name string) string { return filepath.Join(st.dir, "partitions", name) }

// newFiles gives a new partition its place.
func (st *store) newFiles(uid uint64) *partitionFiles {
	f := &partitionFiles{store: st, uid: uid}
	f.offsets.path = st.path(strconv.FormatUint(uid, 10) + ".offsets")
	return f
}

// allot returns a number for a new partition. It needs the catalog's lock for writing.
func (st *store) newUID() uint64 {
	st.lastUID++
	return st.lastUID
}

func (st *store) writeState(b []byte) error {
	return replaceFile(filepath.Join(st.dir, "state.json"), b)
}

// replaceFile writes a file anew. The new one is complete before it takes the old one's place.
func replaceFile(path string, b []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// readState returns nil when there is none yet.
func (st *store) readState() ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(st.dir, "state.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// sweep deletes the files of partitions that are not known.
func (st *store) deleteUnknown(known map[uint64]bool) error {
	entries, err := os.ReadDir(filepath.Join(st.dir, "partitions"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		uid, ok := partitionUID(e.Name())
		if ok && known[uid] {
			continue
		}
		if err := os.Remove(st.path(e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func partitionUID(name string) (uint64, bool) {
	end := strings.IndexAny(name, "-.")
	if end < 0 {
		return 0, false
	}
	uid, err := strconv.ParseUint(name[:end], 10, 64)
	return uid, err == nil
}

// saveState writes down what exists, after a change.
func (s *Server) saveState() error {
	if s.store == nil {
		return nil
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	b, err := s.encodeState()
	if err != nil {
		return err
	}
	return s.store.writeState(b)
}

// changesState tells which commands change what saveState writes down.
func changesState(command Command) bool {
	switch command {
	case CreateUser, DeleteUser, UpdateUser, UpdatePermissions, ChangePassword, CreateToken, DeleteToken,
		CreateStream, DeleteStream, UpdateStream, CreateTopic, DeleteTopic, UpdateTopic, CreatePartitions, DeletePartitions,
		CreateGroup, DeleteGroup:
		return true
	default:
		return false
	}
}

// persist writes a change down and then deletes the files of partitions that are gone with it.
func (s *Server) saveChange() Status {
	err := s.saveState()
	s.catalog.mu.Lock()
	doomed := s.deletedPartitions
	s.deletedPartitions = nil
	s.catalog.mu.Unlock()
	for _, p := range doomed {
		err = errors.Join(err, p.files.remove())
	}
	if err != nil {
		s.log.Error("change not written", zap.Error(err))
		return StatusIOError
	}
	return StatusOK
}

// doom marks partitions whose files are to be deleted. It needs the catalog's lock for writing.
func (s *Server) markDeleted(partitions []*partition) {
	for _, p := range partitions {
		p.close()
	}
	if s.store != nil {
		s.deletedPartitions = append(s.deletedPartitions, partitions...)
	}
}

// savePartitions writes what waits in memory.
func (s *Server) savePartitions(sync bool) error {
	var all []*partition
	s.catalog.mu.RLock()
	s.catalog.streams.each(func(_ uint32, st *stream) {
		st.topics.each(func(_ uint32, t *topic) { all = append(all, t.partitions...) })
	})
	s.catalog.mu.RUnlock()
	var errs []error
	for _, p := range all {
		errs = append(errs, p.save(sync))
	}
	return errors.Join(errs...)
}

// watchUnsaved writes what has waited long enough.
func (s *Server) saveEveryInterval() {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			if err := s.savePartitions(false); err != nil {
				s.log.Error("messages not written", zap.Error(err))
			}
		}
	}
}

// closeStore ends the use of the directory; with crash, what waits in memory is lost.
func (s *Server) closeStore(crash bool) error {
	if s.store == nil {
		return nil
	}
	var errs []error
	if !crash {
		errs = append(errs, s.savePartitions(false))
	}
	s.catalog.mu.RLock()
	s.catalog.streams.each(func(_ uint32, st *stream) {
		st.topics.each(func(_ uint32, t *topic) {
			for _, p := range t.partitions {
				p.files.close()
			}
		})
	})
	s.catalog.mu.RUnlock()
	return errors.Join(append(errs, s.store.close())...)
}
