package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"sync"

	"go.uber.org/zap"
)

// maxLogSize is the size at which a new log file is begun, so that old messages can be deleted file
// by file.
const maxLogSize = 64 << 20

// partitionFiles are the files of one partition. They are nil for a server without a directory.
type partitionFiles struct {
	store *store
	uid   uint64

	// mu orders the writes to the log and is held during them. It is taken before the partition's
	// lock.
	mu   sync.Mutex
	file *os.File
	size int64
	// unsynced are the first offsets of the log files with bytes that may not be on the disk.
	unsynced []uint64
	// baseOffsets are the first offsets of the log files. The last file is being written.
	baseOffsets []uint64
	closed      bool

	offsets offsetLog
}

// logName returns the name of a log file in the directory.
func (f *partitionFiles) logName(baseOffset uint64) string {
	return partitionFile(fmt.Sprintf("%d-%020d.log", f.uid, baseOffset))
}

// write appends messages, with sync to the disk. When it fails, nothing of them stays in the log.
// It needs mu.
func (f *partitionFiles) write(baseOffset uint64, parts [][]byte, sync bool) error {
	if f.file == nil || f.size >= maxLogSize {
		if err := f.begin(baseOffset, sync); err != nil {
			return fmt.Errorf("embedded: %s: %w", f.store.path(f.logName(baseOffset)), err)
		}
	}
	w := frameWriter{file: f.file, partition: f.uid, position: f.size}
	err := w.writeMessages(parts)
	if err == nil && sync {
		err = f.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("embedded: %s: %w", f.store.path(f.logName(baseOffset)), errors.Join(err, f.truncate()))
	}
	f.size = w.position
	if current := f.baseOffsets[len(f.baseOffsets)-1]; !sync && !slices.Contains(f.unsynced, current) {
		f.unsynced = append(f.unsynced, current)
	}
	return nil
}

// truncate removes what a failed write has left. When that fails too, the next write opens the file
// again and continues behind it. It needs mu.
func (f *partitionFiles) truncate() error {
	err := f.file.Truncate(f.size)
	if err != nil {
		_ = f.file.Close()
		f.file = nil
	}
	return err
}

// begin begins the file whose first message has this offset. It needs mu.
func (f *partitionFiles) begin(baseOffset uint64, sync bool) error {
	if f.file != nil {
		if err := f.file.Close(); err != nil {
			return err
		}
		f.file = nil
	}
	file, size, err := f.store.openLog(f.logName(baseOffset))
	if err != nil {
		return err
	}
	f.file, f.size = file, size
	if !slices.Contains(f.baseOffsets, baseOffset) {
		f.baseOffsets = append(f.baseOffsets, baseOffset)
	}
	if sync {
		return f.store.syncDir(partitionsDir)
	}
	return nil
}

// sync writes to the disk what is only in the system's memory. It needs mu.
func (f *partitionFiles) sync() error {
	if len(f.unsynced) == 0 {
		return nil
	}
	for _, base := range f.unsynced {
		// The files before the last one are closed.
		file, err := f.store.root.OpenFile(f.logName(base), os.O_WRONLY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since
		}
		if err != nil {
			return err
		}
		if err := errors.Join(file.Sync(), file.Close()); err != nil {
			return err
		}
	}
	f.unsynced = nil
	return f.store.syncDir(partitionsDir)
}

// deleteBefore deletes the files whose messages are all before an offset. It needs mu.
func (f *partitionFiles) deleteBefore(offset uint64) {
	for len(f.baseOffsets) > 1 && f.baseOffsets[1] <= offset {
		if err := f.store.root.Remove(f.logName(f.baseOffsets[0])); err != nil {
			f.store.log.Warn("old messages not deleted", zap.Error(err))
		}
		f.baseOffsets = f.baseOffsets[1:]
	}
}

// clear deletes the files for a purge. It needs mu.
func (f *partitionFiles) clear() error {
	var errs []error
	if f.file != nil {
		errs = append(errs, f.file.Close())
		f.file = nil
	}
	for _, base := range f.baseOffsets {
		errs = append(errs, f.store.root.Remove(f.logName(base)))
	}
	f.baseOffsets, f.unsynced = nil, nil
	return errors.Join(append(errs, f.offsets.remove())...)
}

// remove deletes the files of a deleted partition.
func (f *partitionFiles) remove() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return f.clear()
}

// close closes the files. What is not written stays so.
func (f *partitionFiles) close() {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.file != nil {
		_ = f.file.Close()
		f.file = nil
	}
	f.offsets.close()
}

// newFiles returns the files of the partition with this number. It opens none.
func (st *store) newFiles(uid uint64) *partitionFiles {
	f := &partitionFiles{store: st, uid: uid}
	f.offsets.store, f.offsets.name = st, partitionFile(strconv.FormatUint(uid, 10)+".offsets")
	return f
}
