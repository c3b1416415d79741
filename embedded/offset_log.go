package embedded

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"sync"

	"github.com/zeebo/xxh3"
	"go.uber.org/zap"
)

// The offsets file of a partition is a sequence of records of 18 bytes, `[u8 kind][u32 key]
// [u64 offset][u8 deleted][u32 checksum]`. Kind 1 is a single consumer, 2 a group. The checksum is
// the lower half of the XXH3-64 of the rest. The last record of a key counts. Unlike messages,
// offsets are written at once, as on the real server.
const (
	offsetRecordSize = 18
	// maxOffsetRecords is the number of records at which the file is rewritten with one record for
	// each key.
	maxOffsetRecords = 64 << 10
)

// offsetLog is the offsets file of a partition.
type offsetLog struct {
	store *store
	name  string

	mu      sync.Mutex
	file    *os.File
	records int
	closed  bool
	// incomplete says that a write failed: an offset is missing in the file, or its last record is
	// incomplete, so that a record behind it would not be read.
	incomplete bool
}

func appendOffsetRecord(b []byte, group bool, key uint32, offset uint64, deleted bool) []byte {
	start := len(b)
	kind := byte(1)
	if group {
		kind = 2
	}
	b = append(b, kind)
	b = binary.LittleEndian.AppendUint32(b, key)
	b = binary.LittleEndian.AppendUint64(b, offset)
	b = appendBool(b, deleted)
	return binary.LittleEndian.AppendUint32(b, uint32(xxh3.Hash(b[start:])))
}

func (l *offsetLog) append(b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	if l.file == nil {
		f, err := l.store.root.OpenFile(l.name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			l.incomplete = true
			return err
		}
		l.file = f
	}
	l.records++
	_, err := l.file.Write(b)
	l.incomplete = err != nil
	return err
}

func (l *offsetLog) isIncomplete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.incomplete
}

// needsRewrite reports whether the file is incomplete or has too many records.
func (l *offsetLog) needsRewrite() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.incomplete || l.records >= maxOffsetRecords
}

// rewrite replaces the file.
func (l *offsetLog) rewrite(b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closeFile()
	l.incomplete = true
	if err := l.store.replaceFile(l.name, b, false); err != nil {
		return err
	}
	l.records, l.incomplete = len(b)/offsetRecordSize, false
	return nil
}

func (l *offsetLog) remove() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeFile()
	l.records, l.incomplete = 0, false
	if err := l.store.root.Remove(l.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (l *offsetLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.closeFile()
}

// closeFile needs the lock.
func (l *offsetLog) closeFile() {
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}

// writeOffset writes an offset to the file. It needs the partition's lock, so that the order in the
// file is that in memory. A record is small and reaches only the system's cache. An offset that
// can't be written is written with the next one, or by saveOffsets.
func (p *partition) writeOffset(who offsetOwner, offset uint64, deleted bool) {
	if p.files == nil {
		return
	}
	key := who.key
	if who.group != nil {
		key = who.group.id
	}
	log := &p.files.offsets
	var err error
	if log.needsRewrite() {
		err = log.rewrite(p.encodeOffsets())
	} else {
		err = log.append(appendOffsetRecord(nil, who.group != nil, key, offset, deleted))
	}
	if err != nil {
		p.files.store.logFailure("offset not written", err)
	}
}

// saveOffsets writes the offsets that an earlier write has failed to write.
func (p *partition) saveOffsets() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if log := &p.files.offsets; log.isIncomplete() {
		return log.rewrite(p.encodeOffsets())
	}
	return nil
}

func (p *partition) encodeOffsets() []byte {
	var b []byte
	for key, offset := range p.consumerOffsets {
		b = appendOffsetRecord(b, false, key, offset, false)
	}
	for key, offset := range p.groupOffsets {
		b = appendOffsetRecord(b, true, key, offset, false)
	}
	return b
}

// loadOffsets reads the offsets. One past the end of the log, whose messages were lost in a crash,
// is lowered to the end, or to 0 when no message is left, as on the real server. As there, the
// lower offset is not written to the file: unless another one is stored, the old offset applies
// again at a later start when the log has grown past it.
func (p *partition) loadOffsets() error {
	log := &p.files.offsets
	b, err := log.store.readLogFile(log.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	damaged, end := p.readOffsets(b)
	switch {
	case damaged > 0:
		err = p.repairOffsets(damaged)
	case end < len(b):
		err = log.store.setTailAside(log.name, b[end:], int64(end))
	}
	if err != nil {
		return err
	}
	p.lowerOffsets()
	return nil
}

// readOffsets reads the records of the file. A damaged one costs itself and no other. It returns the
// number of damaged bytes, and where what is complete ends.
func (p *partition) readOffsets(b []byte) (damaged, end int) {
	skipped := 0
	for end+skipped+offsetRecordSize <= len(b) {
		r := b[end+skipped:][:offsetRecordSize]
		if binary.LittleEndian.Uint32(r[14:]) != uint32(xxh3.Hash(r[:14])) {
			skipped++
			continue
		}
		offsets, key := p.consumerOffsets, binary.LittleEndian.Uint32(r[1:])
		if r[0] == 2 {
			offsets = p.groupOffsets
		}
		if r[13] != 0 {
			delete(offsets, key)
		} else {
			offsets[key] = binary.LittleEndian.Uint64(r[5:])
		}
		damaged += skipped
		end += skipped + offsetRecordSize
		skipped = 0
		p.files.offsets.records++
	}
	if len(b)-end >= offsetRecordSize && !isZero(b[end:]) {
		damaged += len(b) - end
		end = len(b)
	}
	return damaged, end
}

// repairOffsets replaces a damaged file, and sets it aside.
func (p *partition) repairOffsets(damaged int) error {
	log := &p.files.offsets
	if err := log.store.writeFile(log.name+newSuffix, p.encodeOffsets(), true); err != nil {
		return err
	}
	aside, err := log.store.setAside(log.name)
	if err != nil {
		return err
	}
	log.store.log.Warn("damaged offsets set aside, the others kept", zap.String("file", log.store.path(log.name)),
		zap.String("set_aside", log.store.path(aside)), zap.Int("bytes", damaged))
	log.records = len(p.consumerOffsets) + len(p.groupOffsets)
	return log.store.root.Rename(log.name+newSuffix, log.name)
}

// lowerOffsets lowers the offsets that are past the end of the log.
func (p *partition) lowerOffsets() {
	end := p.currentOffset()
	for _, offsets := range []map[uint32]uint64{p.consumerOffsets, p.groupOffsets} {
		for key, offset := range offsets {
			if offset > end {
				p.files.store.log.Warn("stored offset past the end of the log lowered",
					zap.String("file", p.files.store.path(p.files.offsets.name)), zap.Uint64("offset", offset), zap.Uint64("end", end))
				offsets[key] = end
			}
		}
	}
}
