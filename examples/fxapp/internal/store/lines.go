package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// maxLineBytes bounds a line. A longer one is not the store's: readers skip it.
const maxLineBytes = 4 << 20

// appendLine appends v to a file of JSON lines and syncs the file.
func (s *Store) appendLine(name string, v any) error {
	line, err := encodeJSON(v)
	if err != nil {
		return err
	}
	if len(line) > maxLineBytes {
		return fmt.Errorf("store: a line of %s: %w", name, errTooLarge)
	}
	// The leading line break ends a line that a crash left incomplete.
	line = append([]byte{'\n'}, line...)
	if err := s.root.MkdirAll(path.Dir(name), 0o750); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := s.requireRegular(name); err != nil {
		return err
	}
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	_, err = f.Write(line)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// lines reads a file of JSON lines from an offset on, also while the file grows.
type lines struct {
	store  *Store
	name   string
	file   *os.File
	offset int64 // bytes read, whole lines only, unless a line is skipped
	skips  bool  // the line at offset goes on from before, and is skipped
}

// next calls yield for each line of the next chunk and reports whether there were any. The chunk is
// 64 KiB, or more if a line is longer. A missing file has no lines, nor has what is not a regular
// file.
func (l *lines) next(yield func(line []byte)) (bool, error) {
	if opened, err := l.open(); !opened || err != nil {
		return false, err
	}
	const first = 64 << 10
	for size := first; ; {
		chunk := make([]byte, size)
		n, err := l.file.ReadAt(chunk, l.offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("store: %w", err)
		}
		end := bytes.LastIndexByte(chunk[:n], '\n') + 1
		if end == 0 && n == size { // the line is longer than the chunk
			if size *= 2; n > maxLineBytes {
				l.offset, l.skips, size = l.offset+int64(n), true, first
			}
			continue
		}
		whole := chunk[:end]
		if l.skips && end > 0 {
			l.skips, whole = false, whole[bytes.IndexByte(whole, '\n')+1:]
		}
		for line := range bytes.Lines(whole) {
			yield(line)
		}
		l.offset += int64(end)
		return end > 0, nil
	}
}

// open opens the file if there is one.
func (l *lines) open() (bool, error) {
	if l.file != nil {
		return true, nil
	}
	if exists, err := l.store.exists(l.name); !exists {
		return false, err
	}
	f, err := l.store.root.Open(l.name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("store: %w", err)
	}
	l.file = f
	return true, nil
}

func (l *lines) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
