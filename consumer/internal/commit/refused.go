package commit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ResetError says that someone else changed the stored offset: an operator moved or deleted it.
type ResetError struct{ Now Stored }

// Error says what is stored now.
func (e *ResetError) Error() string {
	if !e.Now.Any {
		return "the stored offset was deleted by someone else"
	}
	return fmt.Sprintf("the stored offset was moved to %d by someone else", e.Now.Offset)
}

// Reset reports whether someone else changed the stored offset: now, as it was just read, is neither
// what this consumer stored nor what it tried to store last.
func (p *Partition) Reset(now Stored) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Any && now == p.attempted {
		return false
	}
	return now != p.stored
}

// failure is why the commits of a partition fail. They are retried with the next interval.
type failure struct {
	cause  error // nil: they do not
	since  time.Time
	logged time.Time
}

// failureLog is how often failed commits are logged at most.
const failureLog = time.Minute

// failed notes that a commit failed, and reports whether that is to be logged. A stop and a reset are
// no failures.
func (p *Partition) failed(err error) (log bool) {
	var reset *ResetError
	if errors.Is(err, context.Canceled) || errors.As(err, &reset) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f, now := &p.failure, time.Now()
	if f.cause == nil {
		f.since = now
	}
	f.cause = err
	if log = now.Sub(f.logged) >= failureLog; log {
		f.logged = now
	}
	return log
}

// succeeded notes that a commit succeeded, and returns for how long commits had failed. p.mu is held.
func (p *Partition) succeeded() (failed time.Duration) {
	if p.failure.cause != nil {
		failed = time.Since(p.failure.since)
	}
	p.failure = failure{}
	return failed
}
