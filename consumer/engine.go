package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/coalesce"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fetch"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/quota"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// engine is a consumer without the type of its messages: it makes the components and connects them.
type engine struct {
	name          string
	cfg           config.Consumer
	log           *zap.Logger
	link          *link.Link
	identity      transport.Consumer
	standalone    Standalone
	storesOffsets bool
	atMostOnce    bool // messages are acknowledged when they are read

	machine     *group.Machine // which partitions are assigned
	assignments *assignments   // how they are read, delivered and committed
	pool        *deliver.Pool
	committer   *commit.Committer
	prefetched  *quota.Quota // bytes
	hooks       *hooks
	meter       *meter
	problems    problems

	// ctx is the life of the consumer; every partition's context comes from it.
	ctx     context.Context
	cancel  context.CancelCauseFunc
	started atomic.Bool
	ended   chan struct{} // closed when machine, committer and fetchers have ended
}

func newEngine(cfg config.Consumer, o *options, log *zap.Logger, l *link.Link, newLink func(string, ...link.Option) (*link.Link, error), who transport.Consumer, app deliver.App) (*engine, error) {
	who.Name, who.Group = cfg.Group, true
	e := &engine{
		name: telemetry.QualifiedName(o.cluster, o.name), cfg: cfg, log: log, link: l, identity: who,
		storesOffsets: true, atMostOnce: cfg.AckMode == config.AckOnPoll,
		prefetched: quota.New(int(cfg.MaxBufferedBytes)), hooks: newHooks(log), ended: make(chan struct{}),
	}
	if s := o.standalone; s != nil {
		e.standalone, e.storesOffsets = *s, s.Name != ""
		e.identity.Group, e.identity.Name = false, s.Name
		if s.Name == "" {
			e.identity.Name = anonymousName
		}
	} else {
		e.log = log.With(zap.String("group", cfg.Group))
	}
	e.hooks.calls = o.hooks
	e.ctx, e.cancel = context.WithCancelCause(context.Background())
	e.pool = deliver.NewPool(deliver.PoolOptions{Config: cfg, App: app, Topic: who.Topic, Commits: e.storesOffsets})
	interval, every := cfg.CommitInterval, cfg.CommitEvery
	if interval <= 0 {
		interval, every = cfg.ProbeInterval, 1 // the interval is for what was refused
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
		Dial:       transientDialer(e.name, newLink),
		Partitions: e.assignments,
		Observer:   e,
	})
	var err error
	e.meter, err = newMeter(o.meters, e, o.name, o.cluster)
	return e, err
}

// session waits for a session of the consumer's connection.
func (e *engine) session(ctx context.Context) (group.Session, error) {
	s, err := e.link.Session(ctx)
	if err != nil {
		return nil, err
	}
	return &session{Session: s, life: e.ctx}, nil
}

// session lets a request end that is under way when its context ends, unless the consumer itself
// ends: with the SDK's transport an interrupted request costs the connection, and so the membership.
type session struct {
	*link.Session
	life context.Context
}

// Do implements group.Session.
func (s *session) Do(ctx context.Context, fn func(context.Context, transport.Conn) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(s.life, func() { cancel(context.Cause(s.life)) })()
	return s.Session.Do(ctx, fn)
}

// transientDialer connects the transient member of a rebalance, over a connection of its own that is
// not measured.
func transientDialer(name string, newLink func(string, ...link.Option) (*link.Link, error)) func(context.Context) (group.Connection, error) {
	return func(ctx context.Context) (group.Connection, error) {
		l, err := newLink("consumer." + name + ".transient")
		if err != nil {
			return nil, err
		}
		if err := l.Start(ctx); err != nil {
			return nil, fmt.Errorf("iggy: connect a transient member: %w", err)
		}
		return l, nil
	}
}

// start begins to consume.
func (e *engine) start() {
	e.started.Store(true)
	commits, cancel := context.WithCancel(e.ctx)
	committed := make(chan struct{})
	go func() {
		defer close(committed)
		e.committer.Run(commits, e.assignments.commits)
	}()
	e.machine.Start()
	go func() {
		defer close(e.ended)
		<-e.machine.Done()
		cancel()
		<-committed
		e.assignments.readers.Wait()
	}()
}

// fetchConfig is how the partitions are read.
func (e *engine) fetchConfig() fetch.Config {
	return fetch.Config{
		Consumer: e.identity, Log: e.log, BatchSize: e.cfg.BatchSize, RetryPause: e.cfg.Retry.BaseBackoff,
		PollIntervalMin: e.cfg.PollIntervalMin, PollIntervalMax: e.cfg.PollIntervalMax,
		StopAtGap: e.cfg.OnGap == config.GapStop, AtMostOnce: e.atMostOnce,
		Lost: isLost, Observe: e.meter.recordPoll,
	}
}

// Joined implements group.Observer.
func (e *engine) Joined(s group.Session) { e.assignments.startReading(s) }

// Left implements group.Observer.
func (e *engine) Left(group.Session) { e.assignments.stopReading() }

// Assigned implements group.Observer.
func (e *engine) Assigned(ids []uint32) { e.hooks.post(hookAssigned, ids...) }

// Revoked implements group.Observer.
func (e *engine) Revoked(ids []uint32) { e.hooks.post(hookRevoked, ids...) }

// Lost implements group.Observer.
func (e *engine) Lost(ids []uint32) { e.hooks.post(hookLost, ids...) }

// object names a partition.
func (e *engine) object(id uint32) string {
	return fmt.Sprintf("%s/%s/%d", e.identity.Stream, e.identity.Topic, id)
}

// awaitCommit waits until the offset of a message is committed.
func (e *engine) awaitCommit(ctx context.Context, d *deliver.Message) error {
	if !e.storesOffsets || e.atMostOnce {
		return nil
	}
	p := e.assignments.find(d.Queue().ID())
	if p == nil || p.queue != d.Queue() {
		if err := context.Cause(d.Queue().Context()); err != nil {
			return err
		}
		return ErrLost
	}
	return p.commits.Await(ctx, d.Seq())
}

// problems is the last thing that went wrong.
type problems struct {
	mu  sync.Mutex
	err error
	at  time.Time
}

func (p *problems) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err, p.at = err, time.Now()
}

func (p *problems) last() (at time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at, p.err
}

// movedError is err as the group knows it.
func movedError(err error) error {
	var reset *commit.ResetError
	if errors.As(err, &reset) {
		return &group.MovedError{Stored: reset.Now.Any, Offset: reset.Now.Offset}
	}
	return err
}
