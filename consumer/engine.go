package consumer

import (
	"context"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/coalesce"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
)

// engine is a consumer without the type of its messages: it makes its components and connects them.
type engine struct {
	settings
	*shared
	link    *link.Link
	parking *parking // nil: no messages are parked

	machine     *group.Machine // which partitions are assigned
	membership  membership
	assignments *assignments // how they are read, delivered and committed
	fetchers    fetchers
	committer   *commit.Committer
	hooks       *hooks
	meter       *meter
	problems    problems

	dialTransient dialTransient

	// ctx ends when the consumer is closed; the contexts of the partitions come from it.
	ctx     context.Context
	cancel  context.CancelCauseFunc
	started atomic.Bool
	ended   chan struct{} // closed when machine, committer and fetchers have ended
}

// newEngine makes an engine; h is nil when it has no hooks.
func newEngine(s settings, with *shared, l *link.Link, h *hooks, dial dialTransient) *engine {
	cfg := s.cfg
	e := &engine{settings: s, shared: with, link: l, hooks: h, dialTransient: dial, ended: make(chan struct{})}
	e.fetchers.e = e
	e.ctx, e.cancel = context.WithCancelCause(context.Background())
	interval, every := cfg.CommitInterval, cfg.CommitEvery
	if interval <= 0 {
		interval, every = cfg.ProbeInterval, 1 // the interval is for commits that were refused
	}
	e.committer = commit.NewCommitter(interval, every)
	e.assignments = newAssignments(e)
	e.machine = group.New(group.Config{
		Consumer: e.identity, Partitions: e.standalone.Partitions,
		FairAssignment: cfg.FairAssignment, CoordinationGroup: cfg.CoordinationGroup(),
		RebalanceAfter: cfg.RebalanceAfter, RebalanceGrace: cfg.RebalanceGrace, RebalanceTimeout: cfg.RebalanceTimeout,
		ProbeInterval: cfg.ProbeInterval, Align: coalesce.Delay, Log: e.log,
	}, group.Dependencies{
		Sessions:   e.session,
		Dial:       dial,
		Partitions: e.assignments,
		Observer:   e,
	})
	e.membership.machine, e.membership.name = e.machine, e.name
	return e
}

// start begins to consume. ended is closed when everything that it starts has ended.
func (e *engine) start() {
	e.started.Store(true)
	commits, cancel := context.WithCancel(e.ctx)
	committed := make(chan struct{})
	go func() {
		defer close(committed)
		e.committer.Run(commits, e.assignments.commits)
	}()
	e.machine.Start()
	if e.parking != nil {
		e.parking.start()
	}
	go func() {
		defer close(e.ended)
		if e.parking != nil {
			<-e.parking.ended
		}
		<-e.machine.Done()
		cancel()
		<-committed
		e.fetchers.wait()
	}()
}

// Joined implements group.Observer.
func (e *engine) Joined(s group.Session) { e.fetchers.begin(s) }

// Left implements group.Observer.
func (e *engine) Left(group.Session) { e.fetchers.end() }

// Assigned implements group.Observer.
func (e *engine) Assigned(ids []uint32) { e.hooks.post(hookAssigned, ids...) }

// Revoked implements group.Observer.
func (e *engine) Revoked(ids []uint32) { e.hooks.post(hookRevoked, ids...) }

// Lost implements group.Observer.
func (e *engine) Lost(ids []uint32) { e.hooks.post(hookLost, ids...) }
