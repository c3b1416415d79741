package store

import (
	"encoding/json"
	"path"
)

// Log is one log record of a job, and where it stands in the topic.
type Log struct {
	Partition uint32          `json:"partition"`
	Offset    uint64          `json:"offset"`
	Record    json.RawMessage `json:"record"`
}

// AppendLog adds a record to a job's log. The same record may be added twice:
// LogReader shows it once.
func (s *Store) AppendLog(jobID string, log Log) error {
	return s.appendLine(logName(jobID), log)
}

// LogReader reads a job's log in order, also while it grows. It is for one
// goroutine.
type LogReader struct {
	lines lines
	seen  map[uint32]uint64 // partition → next offset
}

// Logs begins to read a job's log, which need not exist yet. The reader must be closed.
func (s *Store) Logs(jobID string) *LogReader {
	return &LogReader{lines: lines{store: s, name: logName(jobID)}, seen: map[uint32]uint64{}}
}

// Next returns records that have come since the last call; none when there
// are none.
func (r *LogReader) Next() ([]Log, error) {
	var logs []Log
	for {
		some, err := r.lines.next(func(line []byte) {
			var log Log
			if json.Unmarshal(line, &log) != nil || log.Offset < r.seen[log.Partition] {
				return // an empty or unfinished line, or a record that came twice
			}
			r.seen[log.Partition] = log.Offset + 1
			logs = append(logs, log)
		})
		if err != nil || len(logs) > 0 || !some {
			return logs, err
		}
	}
}

// Close releases the file.
func (r *LogReader) Close() error { return r.lines.close() }

func logName(jobID string) string { return path.Join("logs", Name(jobID)+".jsonl") }
