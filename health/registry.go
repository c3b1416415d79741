package health

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// ErrStopped is returned by Register after Stop, and is the cause with which the contexts of
// checks end that Stop interrupts.
var ErrStopped = errors.New("health: registry stopped")

// Registry runs the checks of the components that are registered. It is safe
// for concurrent use.
//
// A check runs when someone asks and its last result is older than
// health.interval; whoever asks in the meantime waits for the same one. One that does
// not answer within health.timeout counts as down, and is not called again
// before it has returned: a stuck checker costs one goroutine and delays nobody
// twice.
type Registry struct {
	cfg  config.Health
	log  *zap.Logger
	life context.Context // ends with Stop
	end  context.CancelCauseFunc
	runs sync.WaitGroup // checks under way

	mu       sync.Mutex
	entries  map[string]*entry
	draining bool
	stopped  bool
}

// Option changes a Registry while NewRegistry makes it.
type Option func(*Registry)

// WithLogger logs changes of a component's status: Info when it comes up, Warn when
// it goes down. The default logs nothing.
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
	r := &Registry{cfg: cfg, log: zap.NewNop(), entries: map[string]*entry{}}
	r.life, r.end = context.WithCancelCause(context.Background())
	for _, opt := range opts {
		opt(r)
	}
	return r, nil
}

// Register adds checkers: all of them, or none when one has no name, or the name of
// another one, which the error then names, too.
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

// Unregister removes a checker, that of a component that was stopped, and tells
// whether there was one of that name. A check of it that is under way goes on unheard.
func (r *Registry) Unregister(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.entries[name]
	delete(r.entries, name)
	return ok
}

// Drain makes the service unready from now on, whatever its components say, so that
// no new work is sent to it while it finishes what it has.
func (r *Registry) Drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draining = true
}

// Stop drains, interrupts the checks under way and waits for them until ctx ends.
// It may be called twice.
func (r *Registry) Stop(ctx context.Context) error {
	r.mu.Lock()
	r.draining, r.stopped = true, true
	r.mu.Unlock()
	r.end(ErrStopped)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.runs.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("health: checks that ignore their context are still running: %v: %w", r.running(), context.Cause(ctx))
	}
}

// running names the checks under way.
func (r *Registry) running() []string {
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

// Check tells how the service and its components are. The checks run at the same
// time, so it takes no longer than the slowest, and never longer than
// health.timeout. A ctx that ends frees the caller at once; components that have
// not answered by then are reported as they were last seen.
func (r *Registry) Check(ctx context.Context) Report {
	r.mu.Lock()
	entries := slices.Collect(maps.Values(r.entries))
	report := Report{Status: Up, Draining: r.draining, Components: make(map[string]Component, len(entries))}
	waits := make([]*run, 0, len(entries))
	for _, e := range entries {
		waits = append(waits, r.begin(e))
	}
	r.mu.Unlock()

	for _, w := range waits {
		if w != nil {
			select {
			case <-w.settled:
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

// Report is how a service and its components are.
type Report struct {
	// Status is Up when all components are, and the service is not draining.
	Status Status `json:"status"`
	// Draining tells that the service is about to stop.
	Draining bool `json:"draining,omitempty"`
	// Components are the registered ones, by name.
	Components map[string]Component `json:"components"`
}

// Component is how a component was when it was last checked.
type Component struct {
	Status Status `json:"status"`
	// Since is when the status began.
	Since time.Time `json:"since,omitzero"`
	// Checked is when the check ended.
	Checked time.Time `json:"checked,omitzero"`
	// LastError is what last went wrong; it stays when the component is up again.
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	// Detail is JSON.
	Detail Detail `json:"detail,omitempty"`
}
