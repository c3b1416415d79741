package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// The statuses of a job, as the HTTP API names them.
const (
	Queued     = "queued"
	InProgress = "in_progress"
	Partial    = "partial"
	Completed  = "completed"
	Failed     = "failed"
)

// statusOrder is the order in which a job passes its statuses. It decides between states with the
// same counts.
var statusOrder = []string{Queued, InProgress, Partial, Completed, Failed}

// State is the state of a job.
type State struct {
	JobID     string    `json:"job_id"`
	JobType   string    `json:"job_type"`
	Status    string    `json:"status"`
	Total     uint32    `json:"resources_total"`
	Completed uint32    `json:"resources_completed"`
	Failed    uint32    `json:"resources_failed"`
	LastError string    `json:"last_error,omitempty"`
	At        time.Time `json:"updated_at"`
}

// compare orders the states of one job. The state with more finished resources is the later one.
// With the same number of them, it is the one with more completed resources, since a replayed task
// may succeed.
func (s State) compare(other State) int {
	return cmp.Or(
		cmp.Compare(uint64(s.Completed)+uint64(s.Failed), uint64(other.Completed)+uint64(other.Failed)),
		cmp.Compare(s.Completed, other.Completed),
		cmp.Compare(slices.Index(statusOrder, s.Status), slices.Index(statusOrder, other.Status)),
	)
}

// PutState adds a state of a job. States may arrive twice, out of order, or from several processes
// at once: State returns the latest.
func (s *Store) PutState(state State) error {
	known, err := s.State(state.JobID)
	if err == nil && known.compare(state) >= 0 {
		return nil
	}
	return s.appendLine(stateName(state.JobID), state)
}

// State returns the latest state of a job, or ErrNotFound when there is none.
func (s *Store) State(jobID string) (State, error) { return s.readState(stateName(jobID)) }

func (s *Store) readState(name string) (State, error) {
	current, err := s.root.Lstat(name)
	if err == nil && !current.Mode().IsRegular() {
		err = ErrNotFound
	}
	if err != nil {
		return State{}, fmt.Errorf("store: job: %w", err)
	}
	read := s.states.get(name, current)
	if read.offset < current.Size() {
		if err := s.readNewStates(name, &read); err != nil {
			return State{}, err
		}
		s.states.put(name, read)
	}
	if read.latest.JobID == "" {
		return State{}, fmt.Errorf("store: job: %w", ErrNotFound)
	}
	return read.latest, nil
}

// readNewStates reads the lines of a file that were appended since it was read.
func (s *Store) readNewStates(name string, read *readStates) error {
	r := lines{store: s, name: name, offset: read.offset}
	defer func() { _ = r.close() }()
	for {
		more, err := r.next(func(line []byte) {
			var state State
			if json.Unmarshal(line, &state) == nil && stateName(state.JobID) == name &&
				(read.latest.JobID == "" || read.latest.compare(state) <= 0) {
				read.latest = state
			}
		})
		if err != nil || !more {
			read.offset = r.offset
			return err
		}
	}
}

// Jobs returns the latest states of at most limit jobs, the last changed one first.
func (s *Store) Jobs(limit int) ([]State, error) {
	entries, err := s.listFiles("ledger")
	if err != nil {
		return nil, err
	}
	type job struct {
		name string
		at   time.Time
	}
	jobs := make([]job, 0, len(entries))
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			jobs = append(jobs, job{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(jobs, func(a, b job) int {
		return cmp.Or(b.at.Compare(a.at), strings.Compare(a.name, b.name))
	})
	states := make([]State, 0, min(limit, len(jobs)))
	for _, j := range jobs[:min(limit, len(jobs))] {
		if state, err := s.readState(path.Join("ledger", j.name)); err == nil {
			states = append(states, state)
		}
	}
	return states, nil
}

func stateName(jobID string) string { return path.Join("ledger", FileName(jobID)+".jsonl") }
