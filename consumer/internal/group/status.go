package group

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Status is the status of a machine at one moment.
type Status struct {
	State State
	// Joined tells whether it is a member of the group. A standalone consumer has joined when it has
	// learned the partitions.
	Joined bool
	// Partitions are the assigned partitions and those that wait to be prepared, by id.
	Partitions []PartitionStatus
	// Changes counts assignments, revocations and losses.
	Changes int64
	// LastError is the latest error, and LastErrorAt its time. They stay after the fault is over.
	LastError   error
	LastErrorAt time.Time
	// Problem is what is wrong now; nil when everything is in order. Health reports it.
	Problem error
}

// PartitionStatus is the status of one partition.
type PartitionStatus struct {
	ID    uint32
	State PartitionState
	// Paused tells that Pause was called.
	Paused bool
	// Problem is why the partition is prepared or verified repeatedly; nil when it is not.
	Problem error
}

// Assigned reports whether the consumer has an assignment of the partition: it was prepared, and
// neither handed over nor lost.
func (p PartitionStatus) Assigned() bool { return p.State.assigned() }

// Remaining is what a stop could not finish, or what was unfinished when the last membership was
// lost.
type Remaining struct {
	Unfinished, Waiting, Uncommitted int
	Err                              error
}

// report is the published status, written by the loop and read by everyone.
type report struct {
	mu        sync.Mutex
	status    Status
	remaining Remaining
	changed   chan struct{} // closed when the membership or the latest error changes; nil when nobody waits
	reported  time.Time     // the time of the latest error at the last publish
}

// note sets the latest error.
func (r *report) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.LastError, r.status.LastErrorAt = err, time.Now()
}

func (r *report) read() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Partitions = slices.Clone(s.Partitions)
	return s
}

// readRemaining returns what a stop could not finish.
func (r *report) readRemaining() Remaining {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.remaining
}

// publish replaces everything but the latest error.
func (r *report) publish(s Status, remaining Remaining) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remaining = remaining
	s.LastError, s.LastErrorAt = r.status.LastError, r.status.LastErrorAt
	if r.changed != nil && (s.Joined != r.status.Joined || !s.LastErrorAt.Equal(r.reported)) {
		close(r.changed)
		r.changed = nil
	}
	r.reported = s.LastErrorAt
	r.status = s
}

// watch returns the status, and a channel that is closed when Joined changes or there is another
// error.
func (r *report) watch() (Status, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.status, r.changed
}

// status returns the status of the machine now.
func (m *member) status() Status {
	s := Status{State: m.state, Joined: m.state.joined() && (m.cfg.Consumer.Group || m.probe.learned), Changes: m.assignment.changes}
	var problems []error
	if err := m.joining.cause; err != nil {
		problems = append(problems, fmt.Errorf("not in the group %s: %w", m.cfg.Consumer.Name, err))
	}
	problems = append(problems, m.probe.problems()...)
	for _, id := range m.assignment.absent {
		problems = append(problems, absentError(m.cfg.Consumer, id))
	}
	for _, p := range m.assignment.sorted() {
		q := PartitionStatus{ID: p.id, State: p.state, Paused: m.assignment.paused[p.id], Problem: m.backoffs.problem(p.id)}
		if q.Problem != nil {
			problems = append(problems, fmt.Errorf("partition %d is assigned repeatedly: %w", p.id, q.Problem))
		}
		s.Partitions = append(s.Partitions, q)
	}
	s.Problem = errors.Join(problems...)
	return s
}
