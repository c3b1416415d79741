package group

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// Machine decides which partitions are assigned to a consumer. All methods are safe for concurrent
// use; only Stop and Seek wait for something that may take long.
type Machine struct {
	deps    Dependencies
	queue   *queue
	report  *report
	member  *member // the loop's
	cancel  context.CancelFunc
	started atomic.Bool
	done    chan struct{}
}

// New returns a machine, which does nothing before Start.
func New(cfg Config, deps Dependencies) *Machine {
	log := cfg.Log
	if log == nil {
		log = zap.NewNop()
	}
	ctx, cancel := context.WithCancel(context.Background())
	q, r := newQueue(), &report{}
	m := &Machine{deps: deps, queue: q, report: r, cancel: cancel, done: make(chan struct{})}
	m.member = newMember(ctx, &base{cfg: cfg, deps: deps, log: log, queue: q, report: r, requests: newRequests(q)})
	return m
}

// Start starts the loop. A second call does nothing, and neither does one after Stop or Close.
func (m *Machine) Start() {
	if !m.started.Swap(true) {
		go m.run()
	}
}

// run is the loop.
func (m *Machine) run() {
	defer close(m.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		m.member.act()
		m.report.publish(m.member.status(), m.member.stopping.remaining)
		if m.member.state == Ended {
			break
		}
		if wait, ok := m.member.clock.wait(); ok {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-m.queue.wake:
		case <-timer.C:
			m.member.handle(event{kind: timerExpired})
		}
		for _, e := range m.queue.take() {
			if m.member.state == Ended {
				m.drop(e)
				continue
			}
			m.member.handle(e)
		}
	}
	m.cancel()
	m.member.requests.end()
	for _, e := range m.queue.take() {
		m.drop(e)
	}
	m.member.requests.all.Wait() // what was released
}

// drop releases what an event holds that arrives after the end.
func (m *Machine) drop(e event) {
	switch v := e.value.(type) {
	case Connection:
		m.member.rebalance.transient = v
		m.member.rebalance.stopTransient()
	case prepareAnswer:
		m.member.preparations.answered(e)
	case seekAnswer:
		m.member.seeks.answered(e)
	case *seek:
		v.done <- iggyerr.ErrClosed
	}
}

// Stop drains, commits, tells the other members and leaves the group. It waits for the messages in
// flight until work ends; with several calls the earliest end counts. It returns when all is done,
// or when ctx ends, with what remains.
func (m *Machine) Stop(ctx, work context.Context) Remaining {
	if !m.started.Swap(true) {
		close(m.done)
		return Remaining{}
	}
	m.queue.post(event{kind: stopRequested})
	release := context.AfterFunc(work, func() {
		m.queue.post(event{kind: drainTimeOver, err: context.Cause(work)})
	})
	select {
	case <-m.done:
		release()
		return m.report.readRemaining()
	case <-ctx.Done():
	}
	// The stop continues, and what remains may become less.
	remaining := m.remaining()
	remaining.Err = errors.Join(remaining.Err, fmt.Errorf("%w: %w", ErrStopDeadline, context.Cause(ctx)))
	return remaining
}

// remaining returns what remains now.
func (m *Machine) remaining() Remaining {
	var ids []uint32
	for _, p := range m.report.read().Partitions {
		if p.Assigned() {
			ids = append(ids, p.ID)
		}
	}
	if now := remainingOf(m.deps.Partitions, ids); now.Unfinished+now.Uncommitted > 0 {
		return now
	}
	return m.report.readRemaining()
}

// Close ends everything at once, with a cause. It does not wait; see Done.
func (m *Machine) Close(cause error) {
	if !m.started.Swap(true) {
		close(m.done)
		return
	}
	m.queue.post(event{kind: closeRequested, err: cause})
}

// Done returns a channel that is closed when the machine and all of its requests have ended.
func (m *Machine) Done() <-chan struct{} { return m.done }

// Seek moves an assigned partition to another position by calling do, as the only request for the
// partition at that time. do reads what it needs, ends the present assignment and prepares another
// one, as Partitions.Prepare does; the machine starts it. When do fails after the first assignment
// was ended, the partition is prepared again.
//
// A partition that is not assigned is iggyerr.ErrNotOwner, and a stopped machine iggyerr.ErrClosed.
// When ctx ends first, the partition stays at its position unless do was called already.
func (m *Machine) Seek(ctx context.Context, partition uint32, do func(ctx context.Context, s Session, c Claim) error) error {
	k := &seek{partition: partition, do: do, done: make(chan error, 1)}
	m.queue.post(event{kind: seekRequested, value: k})
	select {
	case err := <-k.done:
		return err
	case <-ctx.Done():
		m.queue.post(event{kind: seekCancelled, value: k})
		return context.Cause(ctx)
	case <-m.done:
	}
	select {
	case err := <-k.done:
		return err
	default:
		return iggyerr.ErrClosed
	}
}

// Pause stops the delivery of a partition, assigned now or later, until Resume.
func (m *Machine) Pause(partition uint32) { m.pause(partition, true) }

// Resume ends a Pause.
func (m *Machine) Resume(partition uint32) { m.pause(partition, false) }

// pause has the loop pause or resume a partition, and waits until it has. Before Start it does not
// wait: the loop does it when it starts.
func (m *Machine) pause(partition uint32, on bool) {
	done := m.queue.postPause(partition, on)
	if !m.started.Load() {
		return
	}
	select {
	case <-done:
	case <-m.done:
	}
}

// Drained says that a draining partition may have no more messages in flight.
func (m *Machine) Drained() { m.queue.postDrained() }

// NeedsVerify says that the answers for a partition do not fit its position: it is not fetched
// before it was verified.
func (m *Machine) NeedsVerify(partition uint32) { m.queue.postVerify(partition) }

// Refused says that the server refused a poll or a commit under the assignment with that epoch.
func (m *Machine) Refused(partition uint32, epoch uint64, err error) {
	m.queue.postRefused(partition, epoch, err)
}

// Status returns the status that the loop published last.
func (m *Machine) Status() Status { return m.report.read() }

// Watch returns that status without the partitions, and a channel that is closed when Joined changes
// or there is another error.
func (m *Machine) Watch() (Status, <-chan struct{}) {
	s, changed := m.report.watch()
	s.Partitions = nil
	return s, changed
}
