package store

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"time"
)

// The states of a job, in the words of the HTTP interface.
const (
	Queued     = "queued"
	InProgress = "in_progress"
	Partial    = "partial"
	Completed  = "completed"
	Failed     = "failed"
)

// order breaks ties between states with the same counts: a job goes this way only.
var order = []string{Queued, InProgress, Partial, Completed, Failed}

// State is how far a job has come.
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

// rank orders the states of one job, as text: more finished is later, and of
// the same number more completed, since a task that was put back may succeed.
func (s State) rank() string {
	return fmt.Sprintf("%010d-%010d-%d.json", uint64(s.Completed)+uint64(s.Failed), s.Completed, max(slices.Index(order, s.Status), 0))
}

// PutState notes the state of a job, unless a later one is known. The rank is
// part of the file's name, so nothing has to be read and written back: states that
// come twice, late, or from two processes at once, do no harm.
func (s *Store) PutState(state State) error {
	dir := path.Join("ledger", Name(state.JobID))
	rank := state.rank()
	known, err := s.ranks(dir)
	if err != nil {
		return err
	}
	if len(known) > 0 && known[len(known)-1] > rank {
		return nil
	}
	if err := s.putJSON(path.Join(dir, rank), state); err != nil {
		return err
	}
	for _, earlier := range known {
		if earlier < rank {
			_ = s.root.Remove(path.Join(dir, earlier))
		}
	}
	return nil
}

// State is the latest state of a job; ErrNotFound when none is known.
func (s *Store) State(jobID string) (State, error) {
	dir := path.Join("ledger", Name(jobID))
	for {
		known, err := s.ranks(dir)
		if err != nil {
			return State{}, err
		}
		if len(known) == 0 {
			return State{}, fmt.Errorf("store: job %w", ErrNotFound)
		}
		var state State
		err = s.getJSON(path.Join(dir, known[len(known)-1]), &state)
		if errors.Is(err, ErrNotFound) {
			continue // a later one has just taken its place
		}
		return state, err
	}
}

// Jobs are the latest states of at most limit jobs, the latest change first.
func (s *Store) Jobs(limit int) ([]State, error) {
	entries, err := s.list("ledger")
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
	slices.SortFunc(jobs, func(a, b job) int { return b.at.Compare(a.at) })
	states := make([]State, 0, min(limit, len(jobs)))
	for _, j := range jobs {
		if len(states) == limit {
			break
		}
		known, err := s.ranks(path.Join("ledger", j.name))
		if err != nil {
			return nil, err
		}
		var state State
		if len(known) > 0 && s.getJSON(path.Join("ledger", j.name, known[len(known)-1]), &state) == nil {
			states = append(states, state)
		}
	}
	return states, nil
}

func (s *Store) ranks(dir string) ([]string, error) {
	entries, err := s.list(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	slices.Sort(names)
	return names, nil
}
