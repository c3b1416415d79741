package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// appendLine appends v to a file of JSON lines and syncs the file.
func (s *Store) appendLine(name string, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	// The leading line break ends a line that a crash left incomplete.
	line = append(append([]byte{'\n'}, line...), '\n')
	if err := s.root.MkdirAll(path.Dir(name), 0o750); err != nil {
		return fmt.Errorf("store: %w", err)
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
	offset int64 // bytes read, whole lines only
}

// next calls yield for each line of the next chunk and reports whether there were any. The chunk is
// 64 KiB, or more if a line is longer. A missing file has no lines.
func (l *lines) next(yield func(line []byte)) (bool, error) {
	if l.file == nil {
		f, err := l.store.root.Open(l.name)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("store: %w", err)
		}
		l.file = f
	}
	for size := 64 << 10; ; size *= 2 {
		chunk := make([]byte, size)
		n, err := l.file.ReadAt(chunk, l.offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("store: %w", err)
		}
		end := bytes.LastIndexByte(chunk[:n], '\n') + 1
		if end == 0 && n == size {
			continue // the line is longer than the chunk
		}
		for line := range bytes.Lines(chunk[:end]) {
			yield(line)
		}
		l.offset += int64(end)
		return end > 0, nil
	}
}

func (l *lines) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
