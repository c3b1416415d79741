package health

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
)

// ErrStopped is returned by Register after Stop. It is also the cause with which Stop ends the
// contexts of checks.
var ErrStopped = errors.New("health: registry stopped")

// Registry checks the registered components. It is safe for concurrent use.
//
// Check runs a checker when its last result is older than health.interval. Concurrent calls share
// one run. A component whose checker does not return within health.timeout is down, and the checker
// is not called again before it returns: a stuck checker costs one goroutine, and delays one call.
type Registry struct {
	cfg    config.Health
	log    *zap.Logger
	closed context.Context // ends at Stop
	cancel context.CancelCauseFunc
	checks sync.WaitGroup // checks in progress

	mu       sync.Mutex
	entries  map[string]*entry
	draining bool
	stopped  bool

	drained chan struct{} // closed when draining is set
}

// Option changes a Registry while NewRegistry makes it.
type Option func(*Registry)

// WithLogger logs changes of a component's status: Info when it comes up, Warn when it goes down.
// The default logs nothing.
func WithLogger(log *zap.Logger) Option {
	return func(r *Registry) {
		if log != nil {
			r.log = log.Named("health")
		}
	}
}

// NewRegistry makes an empty Registry, which is ready for use.
func NewRegistry(cfg config.Health, opts ...Option) (*Registry, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("health: %w", err)
	}
	r := &Registry{cfg: cfg, log: zap.NewNop(), entries: map[string]*entry{}, drained: make(chan struct{})}
	r.closed, r.cancel = context.WithCancelCause(context.Background())
	if err := argument.Apply(r, opts); err != nil {
		return nil, err
	}
	return r, nil
}

// Register adds checkers. It adds none when one of them has no name or the name of another one.
func (r *Registry) Register(checkers ...Checker) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return ErrStopped
	}
	added := map[string]*entry{}
	for _, c := range checkers {
		name := c.Name()
		if name == "" {
			return fmt.Errorf("health: a %T has no name", c)
		}
		first := r.entries[name]
		if first == nil {
			first = added[name]
		}
		if first != nil {
			return fmt.Errorf("health: two checkers are named %q: %T and %T", name, first.checker, c)
		}
		added[name] = newEntry(name, c)
	}
	maps.Copy(r.entries, added)
	return nil
}

// Drain makes the service not ready from now on, whatever the state of its components, so that it
// gets no new work while it completes its present work.
func (r *Registry) Drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drain()
}

// drain sets that the service drains. r.mu is held.
func (r *Registry) drain() {
	if !r.draining {
		r.draining = true
		close(r.drained)
	}
}

// Draining is closed when Drain or Stop is called. Streams to clients, which would delay the stop,
// end then.
func (r *Registry) Draining() <-chan struct{} { return r.drained }

// Stop drains, ends the contexts of the checks in progress, and waits for them until ctx ends. It
// may be called twice.
func (r *Registry) Stop(ctx context.Context) error {
	if err := argument.Context(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	r.drain()
	r.stopped = true
	r.mu.Unlock()
	r.cancel(ErrStopped)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.checks.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("health: checks that ignore their context are still running: %v: %w", r.runningChecks(), context.Cause(ctx))
	}
}

// runningChecks are the names of the checks in progress.
func (r *Registry) runningChecks() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for name, e := range r.entries {
		if e.run != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Check reports the health of the service and its components. The checks run concurrently, so it
// takes as long as the slowest one, and at most health.timeout. When ctx ends, it returns at once,
// with the last known state of the components that have not answered.
func (r *Registry) Check(ctx context.Context) Report {
	if ctx == nil {
		ctx = context.Background() // a report has no error, and the checks have limits of their own
	}
	r.mu.Lock()
	entries := slices.Collect(maps.Values(r.entries))
	report := Report{Status: Up, Draining: r.draining, Components: make(map[string]Component, len(entries))}
	runs := make([]*checkRun, 0, len(entries))
	for _, e := range entries {
		runs = append(runs, r.startCheck(e))
	}
	r.mu.Unlock()

	for _, run := range runs {
		if run != nil {
			select {
			case <-run.done:
			case <-ctx.Done():
			}
		}
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range entries {
		report.Components[e.name] = e.component
		if e.component.Status != Up {
			report.Status = Down
		}
	}
	if report.Draining {
		report.Status = Down
	}
	return report
}
