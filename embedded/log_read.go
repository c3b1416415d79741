package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/zeebo/xxh3"
	"go.uber.org/zap"
)

// logContent is what was read from a log file.
type logContent struct {
	messages [][]byte
	// damage are the parts of the file that hold no whole message, in ascending order, but for an
	// incomplete write at the end.
	damage []fileRange
	// end is the end of what is complete. What follows is the beginning of a write that did not end
	// before the machine or the process did. It was not confirmed, or not saved.
	end int64
	// nextOffset is the offset that follows the last message, also when that one is damaged.
	nextOffset uint64
}

// fileRange is a part of a file.
type fileRange struct{ start, end int64 }

// readLog reads the log of a partition. Its messages have offsets from nextOffset on. Damaged bytes
// cost the messages that they belong to, and no others: the frames behind them are found again, and
// a damaged frame header costs nothing when its message is whole.
func readLog(b []byte, partition, nextOffset uint64) logContent {
	c := logContent{nextOffset: nextOffset, end: int64(len(b))}
	for position := int64(0); position < int64(len(b)); {
		size := int64(len(b)) - position
		length, ok := frameAt(b, position, partition)
		switch {
		case ok && frameOverhead+length > size:
			c.end = position
			return c
		case ok:
			end := position + frameOverhead + length
			if m := b[position+frameOverhead : end]; c.isNext(m) {
				c.add(m)
			} else {
				c.nextOffset++
				c.addDamage(position, end)
			}
			position = end
		case size >= frameOverhead+messageHeaderSize && c.isNext(messageAt(b[position+frameOverhead:])):
			m := messageAt(b[position+frameOverhead:])
			c.add(m)
			c.addDamage(position, position+frameOverhead)
			position += frameOverhead + int64(len(m))
		default:
			next, found := findFrame(b, position+1, partition)
			if !found && (size < frameOverhead || isZero(b[position:])) {
				c.end = position
				return c
			}
			if !found {
				next = int64(len(b))
			}
			c.addDamage(position, next)
			position = next
		}
	}
	return c
}

func (c *logContent) add(m []byte) {
	c.messages = append(c.messages, m)
	c.nextOffset = binary.LittleEndian.Uint64(m[offsetAt:]) + 1
}

func (c *logContent) addDamage(start, end int64) {
	if n := len(c.damage); n > 0 && c.damage[n-1].end == start {
		c.damage[n-1].end = end
		return
	}
	c.damage = append(c.damage, fileRange{start, end})
}

// isNext reports whether m is a whole message that may follow those before it.
func (c *logContent) isNext(m []byte) bool {
	return len(m) >= messageHeaderSize && messageSize(m) == uint64(len(m)) &&
		binary.LittleEndian.Uint64(m[offsetAt:]) >= c.nextOffset &&
		xxh3.Hash(m[idAt:]) == binary.LittleEndian.Uint64(m[checksumAt:])
}

// messageAt returns the message at the beginning of b by the lengths in its header, or nil.
func messageAt(b []byte) []byte {
	if size := messageSize(b); size <= uint64(len(b)) {
		return b[:size]
	}
	return nil
}

// frameAt returns the length of the frame at a position, and whether there is one.
func frameAt(b []byte, position int64, partition uint64) (length int64, ok bool) {
	if int64(len(b))-position < frameOverhead {
		return 0, false
	}
	n := binary.LittleEndian.Uint32(b[position:])
	ok = n >= messageHeaderSize && binary.LittleEndian.Uint64(b[position+4:]) == frameCheck(partition, position, n)
	return int64(n), ok
}

// isZero reports whether b has only zeros, as a file has after a crash of the machine in the place of
// bytes that did not reach the disk.
func isZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

// findFrame returns the position of the first frame from a position on.
func findFrame(b []byte, position int64, partition uint64) (int64, bool) {
	for ; position <= int64(len(b))-frameOverhead; position++ {
		// Most lengths are impossible, which costs less to find out than the check.
		if n := int64(binary.LittleEndian.Uint32(b[position:])); n < messageHeaderSize || n > int64(len(b))-position {
			continue
		}
		if _, ok := frameAt(b, position, partition); ok {
			return position, true
		}
	}
	return 0, false
}

// load reads the partition's messages into memory, as far as the retention allows, and its offsets.
func (p *partition) load(files foundFiles) error {
	f := p.files
	f.baseOffsets = files.logs
	slices.Sort(f.baseOffsets)
	for _, base := range slices.Clone(f.baseOffsets) {
		p.nextOffset = max(p.nextOffset, base)
		if err := p.loadLog(base); err != nil {
			return err
		}
	}
	p.savedUntil = p.nextOffset
	if n := len(f.baseOffsets); n > 0 {
		var err error
		if f.file, f.size, err = f.store.openLog(f.logName(f.baseOffsets[n-1])); err != nil {
			return err
		}
	}
	return p.loadOffsets()
}

// loadLog reads one file, and sets aside what is not whole.
func (p *partition) loadLog(baseOffset uint64) error {
	f := p.files
	name := f.logName(baseOffset)
	b, err := f.store.readLogFile(name)
	if err != nil {
		return err
	}
	c := readLog(b, f.uid, p.nextOffset)
	p.addLoaded(c.messages)
	p.nextOffset = max(p.nextOffset, c.nextOffset)
	switch {
	case len(c.damage) > 0:
		return p.repairLog(baseOffset, b, &c)
	case c.end < int64(len(b)):
		return f.store.setTailAside(name, b[c.end:], c.end)
	default:
		return nil
	}
}

// addLoaded puts messages into memory, which it copies.
func (p *partition) addLoaded(messages [][]byte) {
	for len(messages) > 0 {
		base := binary.LittleEndian.Uint64(messages[0][offsetAt:])
		n, size := 0, 0
		for n < len(messages) && (n == 0 || size+len(messages[n]) <= maxSharedChunk) &&
			binary.LittleEndian.Uint64(messages[n][offsetAt:]) == base+uint64(n) {
			size += len(messages[n])
			n++
		}
		data, ends := make([]byte, 0, size), make([]uint32, n)
		for i, m := range messages[:n] {
			data = append(data, m...)
			ends[i] = uint32(len(data))
		}
		p.appendToChunks(base, data, ends)
		p.savedUntil = p.nextOffset
		p.applyRetention()
		messages = messages[n:]
	}
}

// repairLog replaces a damaged log by one with the messages that are whole, and sets the damaged
// one aside. Offsets of messages that were lost at the end are not given again: an empty log with
// the next offset in its name says so to the next start.
func (p *partition) repairLog(baseOffset uint64, b []byte, c *logContent) error {
	f := p.files
	name := f.logName(baseOffset)
	if err := f.store.createLog(name+newSuffix, f.uid, c.messages); err != nil {
		return err
	}
	aside, err := f.store.setAside(name)
	if err != nil {
		return err
	}
	if err := f.store.root.Rename(name+newSuffix, name); err != nil {
		return err
	}
	end := baseOffset
	if n := len(c.messages); n > 0 {
		end = binary.LittleEndian.Uint64(c.messages[n-1][offsetAt:]) + 1
	}
	if baseOffset == f.baseOffsets[len(f.baseOffsets)-1] && end != p.nextOffset {
		if err := f.store.createLog(f.logName(p.nextOffset), f.uid, nil); err != nil {
			return err
		}
		f.baseOffsets = append(f.baseOffsets, p.nextOffset)
	}
	size := int64(len(b)) - c.end
	for _, r := range c.damage {
		size += r.end - r.start
	}
	f.store.log.Warn("damaged log set aside, its other messages kept", zap.String("file", f.store.path(name)),
		zap.String("set_aside", f.store.path(aside)), zap.Int64("position", c.damage[0].start),
		zap.Int("places", len(c.damage)), zap.Int64("bytes", size), zap.Int("messages", len(c.messages)),
		zap.Uint64("next_offset", p.nextOffset))
	return f.store.syncDir(partitionsDir)
}

// readLogFile reads a file. What can't be read because of a fault of the disk counts as damaged.
func (st *store) readLogFile(name string) ([]byte, error) {
	file, err := st.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return readAll(file, info.Size()), nil
}

// unreadableBlock is the size of the parts that are left out where a file can't be read.
const unreadableBlock = 4 << 10

// readAll reads a file of this size. Bytes that can't be read are zeros, as those beyond the end of
// a file that has become shorter are missing.
func readAll(r io.ReaderAt, size int64) []byte {
	b := make([]byte, size)
	for position := int64(0); position < size; {
		n, err := r.ReadAt(b[position:], position)
		position += int64(n)
		if errors.Is(err, io.EOF) {
			return b[:position]
		}
		if err != nil {
			next := min((position/unreadableBlock+1)*unreadableBlock, size)
			clear(b[position:next])
			position = next
		}
	}
	return b
}

// openLog opens a log for appending, creates it when it is missing and returns its size.
func (st *store) openLog(name string) (*os.File, int64, error) {
	file, err := st.root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// createLog writes a new log to the disk, in place of an unfinished one.
func (st *store) createLog(name string, partition uint64, messages [][]byte) error {
	if err := st.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, _, err := st.openLog(name)
	if err != nil {
		return err
	}
	w := frameWriter{file: file, partition: partition}
	err = w.writeMessages(messages)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
