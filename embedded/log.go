package embedded

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/zeebo/xxh3"
	"go.uber.org/zap"
)

// A log file is a row of records `[u32 length][u64 checksum][length bytes]`, whose bytes are stored messages, one after
// the other. The checksum is XXH3-64 over the bytes. A record is what was written at once; the last one may be torn, and
// is then cut off at start.
const (
	recordHeaderSize = 12
	maxRecordSize    = 1 << 31
	// maxLogSize is when a new file is begun, so that old messages can be deleted file by file.
	maxLogSize = 64 << 20
)

// partitionFiles are the files of one partition. nil means that nothing is kept; every method of nil does nothing.
type partitionFiles struct {
	store *store
	uid   uint64

	// mu orders the writes to the log and is held while they last. It comes before the partition's lock.
	mu   sync.Mutex
	file *os.File
	size int64
	// bases are the first offsets of the log files, the last one being written.
	baseOffsets []uint64

	offsets offsetLog
	closed  bool
}

func (f *partitionFiles) logPath(base uint64) string {
	return f.store.path(fmt.Sprintf("%d-%020d.log", f.uid, base))
}

// save writes what the partition has not written yet.
func (p *partition) save(sync bool) error {
	if p.files == nil {
		return nil
	}
	return errors.Join(p.saveLog(sync), p.saveOffsets())
}

func (p *partition) saveLog(sync bool) error {
	f := p.files
	f.mu.Lock()
	defer f.mu.Unlock()
	p.mu.Lock()
	base := p.savedUntil
	unsaved := p.unsavedBytes
	var pg page
	if p.savedUntil < p.nextOffset {
		p.readFrom(p.savedUntil, uint32(min(p.nextOffset-p.savedUntil, 1<<31)), &pg)
	}
	first := p.firstOffset()
	p.mu.Unlock()
	if f.closed {
		return nil
	}
	if pg.count > 0 {
		if err := f.write(base, pg.parts, pg.size); err != nil {
			return fmt.Errorf("embedded: partition file %s: %w", f.logPath(base), err)
		}
		p.mu.Lock()
		p.savedUntil = base + uint64(pg.count)
		p.unsavedBytes -= unsaved
		p.applyRetention()
		p.mu.Unlock()
	}
	f.deleteBefore(first)
	if sync && f.file != nil {
		return f.file.Sync()
	}
	return nil
}

func (f *partitionFiles) write(base uint64, parts [][]byte, size int) error {
	if f.file == nil || f.size >= maxLogSize {
		if f.file != nil {
			if err := f.file.Close(); err != nil {
				return err
			}
			f.file = nil
		}
		file, err := os.OpenFile(f.logPath(base), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		f.file, f.size = file, 0
		if !slices.Contains(f.baseOffsets, base) {
			f.baseOffsets = append(f.baseOffsets, base)
		}
	}
	hash := xxh3.New()
	for _, part := range parts {
		_, _ = hash.Write(part)
	}
	header := make([]byte, recordHeaderSize)
	binary.LittleEndian.PutUint32(header, uint32(size))
	binary.LittleEndian.PutUint64(header[4:], hash.Sum64())
	bufs := net.Buffers(append([][]byte{header}, parts...))
	n, err := bufs.WriteTo(f.file)
	if err != nil {
		// What was written in part must not stand before the next record.
		return errors.Join(err, f.file.Truncate(f.size))
	}
	f.size += n
	return nil
}

// drop deletes the files that hold nothing from first on. It needs mu.
func (f *partitionFiles) deleteBefore(first uint64) {
	for len(f.baseOffsets) > 1 && f.baseOffsets[1] <= first {
		if err := os.Remove(f.logPath(f.baseOffsets[0])); err != nil {
			f.store.log.Warn("old messages not deleted", zap.Error(err))
		}
		f.baseOffsets = f.baseOffsets[1:]
	}
}

// load reads the partition's log into memory, as far as its retention allows, and its offsets.
func (p *partition) load() error {
	f := p.files
	names, err := os.ReadDir(f.store.path(""))
	if err != nil {
		return err
	}
	for _, e := range names {
		rest, ok := strings.CutPrefix(e.Name(), strconv.FormatUint(f.uid, 10)+"-")
		if !ok {
			continue
		}
		base, err := strconv.ParseUint(strings.TrimSuffix(rest, ".log"), 10, 64)
		if err != nil {
			return fmt.Errorf("embedded: %s is no log file", e.Name())
		}
		f.baseOffsets = append(f.baseOffsets, base)
	}
	slices.Sort(f.baseOffsets)
	for i, base := range f.baseOffsets {
		p.nextOffset = base
		if err := p.loadLog(base, i == len(f.baseOffsets)-1); err != nil {
			return err
		}
	}
	p.savedUntil = p.nextOffset
	return p.loadOffsets()
}

// loadLog reads one file. A torn record is cut off at the end of the last file and an error anywhere else.
func (p *partition) loadLog(base uint64, last bool) error {
	f := p.files
	path := f.logPath(base)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	size, err := p.readRecords(bufio.NewReaderSize(file, 1<<20))
	if err == nil && !last {
		return file.Close()
	}
	if err != nil {
		if !last || !errors.Is(err, errTorn) {
			return errors.Join(fmt.Errorf("embedded: %s: %w", path, err), file.Close())
		}
		info, serr := file.Stat()
		if serr != nil {
			return errors.Join(serr, file.Close())
		}
		f.store.log.Warn("torn record cut off", zap.String("file", path), zap.Int64("bytes", info.Size()-size),
			zap.Uint64("offset", p.nextOffset))
		if err := file.Truncate(size); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	f.file, f.size = file, size
	return nil
}

var errTorn = errors.New("torn record")

// readRecords returns where the last whole record ends.
func (p *partition) readRecords(r io.Reader) (int64, error) {
	var at int64
	header := make([]byte, recordHeaderSize)
	for {
		if _, err := io.ReadFull(r, header); err != nil {
			if errors.Is(err, io.EOF) {
				return at, nil
			}
			return at, asTorn(err)
		}
		length := binary.LittleEndian.Uint32(header)
		if length == 0 || length > maxRecordSize {
			return at, errTorn
		}
		data, err := readFull(r, nil, int(length))
		if err != nil {
			return at, asTorn(err)
		}
		if xxh3.Hash(data) != binary.LittleEndian.Uint64(header[4:]) {
			return at, errTorn
		}
		ends, ok := splitRecord(data)
		if !ok {
			return at, errTorn
		}
		p.appendToChunks(p.nextOffset, data, ends)
		p.savedUntil = p.nextOffset
		p.applyRetention()
		at += recordHeaderSize + int64(length)
	}
}

func asTorn(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return err
}

// splitRecord finds where each message of a record ends.
func splitRecord(data []byte) ([]uint32, bool) {
	var ends []uint32
	for at := uint64(0); at < uint64(len(data)); {
		if uint64(len(data))-at < messageHeaderSize {
			return nil, false
		}
		m := data[at:]
		at += messageHeaderSize + uint64(binary.LittleEndian.Uint32(m[payloadLengthAt:])) +
			uint64(binary.LittleEndian.Uint32(m[headersLengthAt:]))
		if at > uint64(len(data)) {
			return nil, false
		}
		ends = append(ends, uint32(at))
	}
	return ends, true
}

// clear deletes the log and the offsets, for a purge. It needs mu.
func (f *partitionFiles) clear() error {
	var errs []error
	if f.file != nil {
		errs = append(errs, f.file.Close())
		f.file = nil
	}
	for _, base := range f.baseOffsets {
		errs = append(errs, os.Remove(f.logPath(base)))
	}
	f.baseOffsets = nil
	return errors.Join(append(errs, f.offsets.remove())...)
}

// remove deletes all files of a deleted partition, for good.
func (f *partitionFiles) remove() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return f.clear()
}

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
