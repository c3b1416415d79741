package embedded

import (
	"encoding/binary"
	"errors"
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
	mu      sync.Mutex
	file    *os.File
	path    string
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
		f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
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
	if err := replaceFile(l.path, b); err != nil {
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
	if err := os.Remove(l.path); err != nil && !errors.Is(err, os.ErrNotExist) {
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
		p.files.store.log.Error("offset not written", zap.Error(err))
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
	b, err := os.ReadFile(log.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	rest := b
	for len(rest) >= offsetRecordSize {
		r := rest[:offsetRecordSize]
		if binary.LittleEndian.Uint32(r[14:]) != uint32(xxh3.Hash(r[:14])) {
			break
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
		rest = rest[offsetRecordSize:]
		log.records++
	}
	if len(rest) > 0 {
		p.files.store.log.Warn("torn record cut off", zap.String("file", log.path), zap.Int("bytes", len(rest)))
		if err := os.Truncate(log.path, int64(len(b)-len(rest))); err != nil {
			return err
		}
	}
	end := p.currentOffset()
	for _, offsets := range []map[uint32]uint64{p.consumerOffsets, p.groupOffsets} {
		for key, offset := range offsets {
			if offset > end {
				p.files.store.log.Warn("stored offset past the end of the log lowered",
					zap.String("file", log.path), zap.Uint64("offset", offset), zap.Uint64("end", end))
				offsets[key] = end
			}
		}
	}
	return nil
}
