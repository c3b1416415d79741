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

// Log is one log record of a job, and where it stands in the topic.
type Log struct {
	Partition uint32          `json:"partition"`
	Offset    uint64          `json:"offset"`
	Record    json.RawMessage `json:"record"`
}

// AppendLog adds a record to a job's log and makes it durable. The same record may be added
// twice: LogReader shows it once.
func (s *Store) AppendLog(jobID string, log Log) error {
	line, err := json.Marshal(log)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	// The line break in front ends a line that a crash left unfinished.
	line = append(append([]byte{'\n'}, line...), '\n')
	if err := s.root.MkdirAll("logs", 0o750); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	f, err := s.root.OpenFile(logName(jobID), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	_, err = f.Write(line)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// LogReader reads a job's log in order, also while it grows. It is for one
// goroutine.
type LogReader struct {
	store *Store
	name  string
	file  *os.File
	rest  []byte
	seen  map[uint32]uint64 // partition → next offset
}

// Logs begins to read a job's log, which need not exist yet. The reader must be closed.
func (s *Store) Logs(jobID string) *LogReader {
	return &LogReader{store: s, name: logName(jobID), seen: map[uint32]uint64{}}
}

// Next returns the records that have come since the last call, none when
// there are none. At most about a mebibyte is read at a time.
func (r *LogReader) Next() ([]Log, error) {
	if r.file == nil {
		f, err := r.store.root.Open(r.name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		r.file = f
	}
	chunk := make([]byte, 1<<20)
	n, err := r.file.Read(chunk)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("store: %w", err)
	}
	r.rest = append(r.rest, chunk[:n]...)
	var logs []Log
	for {
		line, rest, whole := bytes.Cut(r.rest, []byte{'\n'})
		if !whole {
			return logs, nil
		}
		r.rest = rest
		var log Log
		if json.Unmarshal(line, &log) != nil || log.Offset < r.seen[log.Partition] {
			continue // an empty or unfinished line, or a record that came twice
		}
		r.seen[log.Partition] = log.Offset + 1
		logs = append(logs, log)
	}
}

// Close releases the file.
func (r *LogReader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

func logName(jobID string) string { return path.Join("logs", Name(jobID)+".jsonl") }
