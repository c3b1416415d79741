package embedded

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"

	"github.com/zeebo/xxh3"
	"go.uber.org/zap"
)

// The file of a partition's offsets is a row of records of 18 bytes, `[u8 kind][u32 key][u64 offset][u8 deleted]
// [u32 checksum]`: kind 1 is a single consumer, 2 a group, the checksum is the lower half of the XXH3-64 of the rest. The
// last record of a key counts. Unlike messages, offsets are written at once, as by the real server.
const (
	offsetRecordSize = 18
	// compactOffsets is the number of records after which the file is written anew.
	maxOffsetRecords = 64 << 10
)

type offsetLog struct {
	mu      sync.Mutex
	file    *os.File
	path    string
	records int
	closed  bool
	// behind tells that a write failed: the file lacks an offset, or ends in a part of its record, after which nothing
	// would be read.
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

// isBehind tells whether the file lacks something.
func (l *offsetLog) isIncomplete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.incomplete
}

// stale tells whether the file is to be written anew.
func (l *offsetLog) needsRewrite() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.incomplete || l.records >= maxOffsetRecords
}

// replace writes the file anew.
func (l *offsetLog) rewrite(b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
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
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
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
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}

// noteOffset writes an offset down. It needs the partition's lock, so that the order on the disk is that in memory; a
// record is small and goes to the system's cache only. What can't be written is written with the next offset, or by save.
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

// saveOffsets writes what an earlier attempt could not.
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

// loadOffsets reads the offsets. One past the end of the log, whose messages a crash has lost, is moved back to the end,
// as on the real server: with nothing left it becomes 0. As there, this is not written down: unless something is committed
// in between, the old offset comes back at a later start, when the log has grown past it.
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
	for _, offsets := range []map[uint32]uint64{p.consumerOffsets, p.groupOffsets} {
		for key, offset := range offsets {
			if offset > p.currentOffset() {
				p.files.store.log.Warn("stored offset past the end of the log moved back",
					zap.String("file", log.path), zap.Uint64("offset", offset), zap.Uint64("end", p.currentOffset()))
				offsets[key] = p.currentOffset()
			}
		}
	}
	return nil
}
