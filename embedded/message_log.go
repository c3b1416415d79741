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

// A log file is a sequence of records `[u32 length][u64 checksum][length bytes]`. The bytes are
// stored messages, the checksum is XXH3-64 over them. A record is what one write wrote. The last
// one may be incomplete after a crash of the machine, and is then cut off at the next start.
const (
	recordHeaderSize = 12
	maxRecordSize    = 1 << 31
	// maxLogSize is the size at which a new file is begun, so that old messages can be deleted file
	// by file.
	maxLogSize = 64 << 20
)

// errTornRecord is the error for a record that is incomplete or damaged.
var errTornRecord = errors.New("torn record")

// partitionFiles are the files of one partition. They are nil for a server without a directory.
type partitionFiles struct {
	store *store
	uid   uint64

	// mu orders the writes to the log and is held during them. It is taken before the partition's
	// lock.
	mu   sync.Mutex
	file *os.File
	size int64
	// baseOffsets are the first offsets of the log files. The last file is being written.
	baseOffsets []uint64
	closed      bool

	offsets offsetLog
}

func (f *partitionFiles) logPath(baseOffset uint64) string {
	return f.store.path(fmt.Sprintf("%d-%020d.log", f.uid, baseOffset))
}

// save writes the messages and offsets that are not written yet, with sync to the disk.
func (p *partition) save(sync bool) error {
	if p.files == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.setSaved(p.nextOffset, p.unsavedBytes)
		return nil
	}
	return errors.Join(p.saveMessages(sync), p.saveOffsets())
}

// setSaved notes that messages of this size, up to an offset, are saved. It needs the partition's
// lock.
func (p *partition) setSaved(until, size uint64) {
	p.savedUntil = until
	p.unsavedBytes -= size
	p.purged = purgedMessages{}
}

func (p *partition) saveMessages(sync bool) error {
	f := p.files
	f.mu.Lock()
	defer f.mu.Unlock()
	p.mu.Lock()
	base := p.savedUntil
	unsaved := p.unsavedBytes
	var pg page
	if p.savedUntil < p.nextOffset {
		p.readStored(p.savedUntil, uint32(min(p.nextOffset-p.savedUntil, 1<<31)), &pg)
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
		p.setSaved(base+uint64(pg.count), unsaved)
		p.applyRetention()
		p.mu.Unlock()
	}
	f.deleteBefore(first)
	if sync && f.file != nil {
		return f.file.Sync()
	}
	return nil
}

// write appends one record. It needs mu.
func (f *partitionFiles) write(baseOffset uint64, parts [][]byte, size int) error {
	if f.file == nil || f.size >= maxLogSize {
		if f.file != nil {
			if err := f.file.Close(); err != nil {
				return err
			}
			f.file = nil
		}
		file, err := os.OpenFile(f.logPath(baseOffset), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		f.file, f.size = file, 0
		if !slices.Contains(f.baseOffsets, baseOffset) {
			f.baseOffsets = append(f.baseOffsets, baseOffset)
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
		// An incomplete record must not precede the next one.
		return errors.Join(err, f.file.Truncate(f.size))
	}
	f.size += n
	return nil
}

// deleteBefore deletes the files whose messages are all before an offset. It needs mu.
func (f *partitionFiles) deleteBefore(offset uint64) {
	for len(f.baseOffsets) > 1 && f.baseOffsets[1] <= offset {
		if err := os.Remove(f.logPath(f.baseOffsets[0])); err != nil {
			f.store.log.Warn("old messages not deleted", zap.Error(err))
		}
		f.baseOffsets = f.baseOffsets[1:]
	}
}

// load reads the partition's messages into memory, as far as the retention allows, and its offsets.
func (p *partition) load() error {
	f := p.files
	entries, err := os.ReadDir(f.store.path(""))
	if err != nil {
		return err
	}
	for _, e := range entries {
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

// loadLog reads one file. A torn record at the end of the last file is cut off. Anywhere else it is
// an error.
func (p *partition) loadLog(baseOffset uint64, last bool) error {
	f := p.files
	path := f.logPath(baseOffset)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	size, err := p.readRecords(bufio.NewReaderSize(file, 1<<20))
	if err == nil && !last {
		return file.Close()
	}
	if err != nil {
		if !last || !errors.Is(err, errTornRecord) {
			return errors.Join(fmt.Errorf("embedded: %s: %w", path, err), file.Close())
		}
		info, statErr := file.Stat()
		if statErr != nil {
			return errors.Join(statErr, file.Close())
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

// readRecords reads records into memory and returns where the last complete one ends.
func (p *partition) readRecords(r io.Reader) (int64, error) {
	var end int64
	header := make([]byte, recordHeaderSize)
	for {
		if _, err := io.ReadFull(r, header); err != nil {
			if errors.Is(err, io.EOF) {
				return end, nil
			}
			return end, tornIfUnexpectedEOF(err)
		}
		length := binary.LittleEndian.Uint32(header)
		if length == 0 || length > maxRecordSize {
			return end, errTornRecord
		}
		data, err := readFull(r, nil, int(length))
		if err != nil {
			return end, tornIfUnexpectedEOF(err)
		}
		if xxh3.Hash(data) != binary.LittleEndian.Uint64(header[4:]) {
			return end, errTornRecord
		}
		ends, ok := messageEnds(data)
		if !ok {
			return end, errTornRecord
		}
		p.appendToChunks(p.nextOffset, data, ends)
		p.savedUntil = p.nextOffset
		p.applyRetention()
		end += recordHeaderSize + int64(length)
	}
}

func tornIfUnexpectedEOF(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errTornRecord
	}
	return err
}

// messageEnds returns where each message of a record ends, and whether the messages fill it
// exactly.
func messageEnds(data []byte) ([]uint32, bool) {
	var ends []uint32
	for end := uint64(0); end < uint64(len(data)); {
		if uint64(len(data))-end < messageHeaderSize {
			return nil, false
		}
		end += messageSize(data[end:])
		if end > uint64(len(data)) {
			return nil, false
		}
		ends = append(ends, uint32(end))
	}
	return ends, true
}

// clear deletes the files for a purge. It needs mu.
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
