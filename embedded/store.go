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

// The messages of a partition are written to its file when saveMessages messages or saveBytes bytes
// are not written yet, and after saveInterval, as with the default settings of the real server.
const (
	saveMessages = 1024
	saveBytes    = 1 << 20
	saveInterval = 30 * time.Second
)

// store is the directory of a server that keeps its state:
//
//	lock                    locked while a server runs
//	state.json              streams, topics, groups, users and tokens, replaced at every change
//	partitions/P-BASE.log   the messages of partition P from the offset BASE on, see message_log.go
//	partitions/P.offsets    the offsets stored in partition P, see offset_log.go
//
// P is a number that no other partition ever gets, so that files left over from a deleted partition
// can't be taken for those of another one.
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

// newFiles returns the files of the partition with this number. It opens none.
func (st *store) newFiles(uid uint64) *partitionFiles {
	f := &partitionFiles{store: st, uid: uid}
	f.offsets.path = st.path(strconv.FormatUint(uid, 10) + ".offsets")
	return f
}

// newUID returns a number for a new partition. It needs the catalog's lock for writing.
func (st *store) newUID() uint64 {
	st.lastUID++
	return st.lastUID
}

func (st *store) writeState(b []byte) error {
	return replaceFile(filepath.Join(st.dir, "state.json"), b)
}

// replaceFile replaces a file. The new file is complete before it replaces the old one.
func replaceFile(path string, b []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// readState returns nil when there is no state yet.
func (st *store) readState() ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(st.dir, "state.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// deleteUnknown deletes the files of partitions that are not known.
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

// partitionUID returns the number of the partition that a file belongs to.
func partitionUID(name string) (uint64, bool) {
	end := strings.IndexAny(name, "-.")
	if end < 0 {
		return 0, false
	}
	uid, err := strconv.ParseUint(name[:end], 10, 64)
	return uid, err == nil
}

// saveState writes the state to the directory, if there is one.
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
		s.log.Error("change not written", zap.Error(err))
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

// savePartitions writes the messages and offsets that are not written yet.
func (s *Server) savePartitions(sync bool) error {
	var all []*partition
	s.catalog.mu.RLock()
	s.catalog.eachTopic(func(t *topic) { all = append(all, t.partitions...) })
	s.catalog.mu.RUnlock()
	var errs []error
	for _, p := range all {
		errs = append(errs, p.save(sync))
	}
	return errors.Join(errs...)
}

// savePeriodically writes messages every saveInterval until the server stops.
func (s *Server) savePeriodically() {
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

// closeStore ends the use of the directory. With crash, what is not written is lost.
func (s *Server) closeStore(crash bool) error {
	if s.store == nil {
		return nil
	}
	var errs []error
	if !crash {
		errs = append(errs, s.savePartitions(false))
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
