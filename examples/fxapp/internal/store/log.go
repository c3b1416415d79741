package store

import (
	"encoding/json"
	"path"
)

// LogEntry is a log entry of a job, with its position in the topic.
type LogEntry struct {
	Partition uint32 `json:"partition"`
	// Offset is the offset in the partition. After a purge of the topic, its offsets begin at 0 again;
	// those that LogReader returns go on.
	Offset uint64 `json:"offset"`
	// Stored is the server's time of the message, in microseconds since 1970. It tells a new message
	// from one that was appended twice.
	Stored int64           `json:"stored_us,omitempty"`
	Entry  json.RawMessage `json:"entry"`
}

// AppendLog appends an entry to a job's log. The same entry may be appended twice: LogReader
// returns it once.
func (s *Store) AppendLog(jobID string, entry LogEntry) error {
	return s.appendLine(logName(jobID), entry)
}

// LogReader reads a job's log in order, also while the log grows. It is not safe for concurrent
// use.
type LogReader struct {
	lines      lines
	partitions map[uint32]*logPosition
}

// logPosition is the position of a LogReader in a partition.
type logPosition struct {
	purged uint64 // what is added to the offsets since the last purge
	next   uint64 // the next offset to return
	stored int64  // the latest time of an entry
}

// add sets the offset of an entry to that to return. It returns false for an entry that was added
// before.
func (p *logPosition) add(entry *LogEntry) bool {
	if entry.Offset+p.purged < p.next {
		if entry.Stored <= p.stored {
			return false
		}
		p.purged = p.next
	}
	entry.Offset += p.purged
	p.next, p.stored = entry.Offset+1, max(p.stored, entry.Stored)
	return true
}

// OpenLog returns a reader of a job's log, which need not exist yet. The caller must close the
// reader.
func (s *Store) OpenLog(jobID string) *LogReader {
	return &LogReader{lines: lines{store: s, name: logName(jobID)}, partitions: map[uint32]*logPosition{}}
}

// Next returns entries that were appended since the last call. It returns no entries at the end of
// the log.
func (r *LogReader) Next() ([]LogEntry, error) {
	var entries []LogEntry
	for {
		more, err := r.lines.next(func(line []byte) {
			var entry LogEntry
			if json.Unmarshal(line, &entry) != nil {
				return // an empty or incomplete line
			}
			p := r.partitions[entry.Partition]
			if p == nil {
				p = &logPosition{}
				r.partitions[entry.Partition] = p
			}
			if p.add(&entry) {
				entries = append(entries, entry)
			}
		})
		if err != nil || len(entries) > 0 || !more {
			return entries, err
		}
	}
}

// Close releases the file.
func (r *LogReader) Close() error { return r.lines.close() }

func logName(jobID string) string { return path.Join("logs", FileName(jobID)+".jsonl") }
