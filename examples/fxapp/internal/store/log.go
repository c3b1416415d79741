package store

import (
	"encoding/json"
	"path"
)

// LogEntry is a log entry of a job, with its position in the topic.
type LogEntry struct {
	Partition uint32          `json:"partition"`
	Offset    uint64          `json:"offset"`
	Entry     json.RawMessage `json:"entry"`
}

// AppendLog appends an entry to a job's log. The same entry may be appended twice: LogReader
// returns it once.
func (s *Store) AppendLog(jobID string, entry LogEntry) error {
	return s.appendLine(logName(jobID), entry)
}

// LogReader reads a job's log in order, also while the log grows. It is not safe for concurrent
// use.
type LogReader struct {
	lines lines
	next  map[uint32]uint64 // partition → next offset
}

// OpenLog returns a reader of a job's log, which need not exist yet. The caller must close the
// reader.
func (s *Store) OpenLog(jobID string) *LogReader {
	return &LogReader{lines: lines{store: s, name: logName(jobID)}, next: map[uint32]uint64{}}
}

// Next returns entries that were appended since the last call. It returns no entries at the end of
// the log.
func (r *LogReader) Next() ([]LogEntry, error) {
	var entries []LogEntry
	for {
		more, err := r.lines.next(func(line []byte) {
			var entry LogEntry
			if json.Unmarshal(line, &entry) != nil || entry.Offset < r.next[entry.Partition] {
				return // an empty or incomplete line, or an entry that was appended twice
			}
			r.next[entry.Partition] = entry.Offset + 1
			entries = append(entries, entry)
		})
		if err != nil || len(entries) > 0 || !more {
			return entries, err
		}
	}
}

// Close releases the file.
func (r *LogReader) Close() error { return r.lines.close() }

func logName(jobID string) string { return path.Join("logs", FileName(jobID)+".jsonl") }
