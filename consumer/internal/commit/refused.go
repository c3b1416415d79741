package commit

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// WasReset reports whether someone else changed the stored offset: now, as it was just read, is
// neither what this consumer stored nor what it tried to store since.
func (p *Partition) WasReset(now Stored) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now != p.stored && !slices.Contains(p.tried, now)
}

// failed notes that a commit failed, and reports whether that is to be logged. A stop and a reset
// are no failures. The commit is retried after the interval, or after retryPause if that is
// shorter.
func (p *Partition) failed(err error) (log bool) {
	var reset *ResetError
	if errors.Is(err, context.Canceled) || errors.As(err, &reset) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure.Occurred(err)
}
