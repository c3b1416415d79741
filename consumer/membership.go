package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// membership is the first membership of a consumer, for which the callers of Next wait: a topic or
// a group that is missing then may never have been created.
type membership struct {
	machine *group.Machine
	name    string // of the consumer
	begun   atomic.Bool
	// waits tells that a missing topic or group is waited for.
	waits bool
	// background tells that a start does not wait for the server.
	background bool
}

// wait waits until the consumer is a member for the first time. It returns an error that matches
// iggyerr.ErrNotFound when an attempt since the call has found that the topic or the group is
// missing. Later, what goes missing is a fault that health reports and that may end.
func (m *membership) wait(ctx context.Context) error {
	if m.waits || m.begun.Load() {
		return nil
	}
	called := time.Now()
	for {
		s, changed := m.machine.Watch()
		switch {
		case s.Joined:
			m.begun.Store(true)
			return nil
		case errors.Is(s.Problem, iggyerr.ErrNotFound) && !s.LastErrorAt.Before(called):
			return m.missing(s.Problem)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-m.machine.Done():
			return iggyerr.ErrClosed
		}
	}
}

// awaitStart waits for the outcome of the first attempt to become a member. It returns an error that
// matches iggyerr.ErrNotFound when the topic or the group is missing. Any other fault may end, and is
// reported by health.
func (m *membership) awaitStart(ctx context.Context) error {
	if m.waits || m.background {
		return nil
	}
	for {
		s, changed := m.machine.Watch()
		switch {
		case s.Joined:
			return nil
		case errors.Is(s.Problem, iggyerr.ErrNotFound):
			return m.missing(s.Problem)
		case s.Problem != nil:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-m.machine.Done():
			return iggyerr.ErrClosed
		}
	}
}

func (m *membership) missing(cause error) error {
	return fmt.Errorf("iggy: consumer %s: %w: admin.Provision creates topics and groups", m.name, cause)
}
