package group

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fault"
	"github.com/fetchbox/fetchbox-iggy/internal/retry"
)

// backoffs has the partitions wait that must be prepared or verified repeatedly: their offsets
// repeat or go back, or they can't be prepared at all. Such a partition waits longer each time,
// until it is stable for a while. The backoff of a partition outlives its assignments.
type backoffs struct {
	*base
	byPartition map[uint32]*retries
}

// retries counts how often a partition was prepared or verified again.
type retries struct {
	attempts int
	cause    error
	delay    time.Duration
	next     time.Time // it is not prepared or verified before
	fault    fault.Fault
}

const (
	// stableTime is how long a partition must be stable before its backoff is reset; at least twice
	// its last delay.
	stableTime = 10 * time.Second
	// problemAttempts is the number of attempts that make a problem of health; fewer may be due to an
	// operator who moves offsets.
	problemAttempts = 3
)

// The loop waits for these backoffs together with everything else that may happen. So it uses
// retry.Delay and no retry.Policy, which would need a goroutine for each backoff.
var (
	joinBackoff      = config.Backoff{BaseBackoff: 50 * time.Millisecond, MaxBackoff: 5 * time.Second, Jitter: 0.2}
	handOverBackoff  = config.Backoff{BaseBackoff: 50 * time.Millisecond, MaxBackoff: 5 * time.Second, Jitter: 0.2}
	partitionBackoff = config.Backoff{BaseBackoff: 100 * time.Millisecond, MaxBackoff: 30 * time.Second, Jitter: 0.2}
)

// errNotVerified says that a partition is verified repeatedly.
var errNotVerified = errors.New("its offsets do not continue, and a verification finds nothing wrong")

// retryAfter has a partition wait before it is prepared or verified again. The first time it does
// not wait, unless wait is set.
func (b *backoffs) retryAfter(id uint32, cause error, wait bool) {
	r := b.byPartition[id]
	if r == nil {
		r = &retries{}
		b.byPartition[id] = r
	}
	r.attempts++
	r.cause, r.delay = cause, 0
	n := r.attempts
	if !wait {
		n--
	}
	if n > 0 {
		r.delay = retry.Delay(partitionBackoff, n)
	}
	r.next = time.Now().Add(r.delay)
	if r.attempts >= problemAttempts && r.fault.Occurred(cause) {
		b.log.Warn("partition assigned repeatedly, waiting", zap.Uint32("partition", id),
			zap.Int("attempt", r.attempts), zap.Duration("delay", r.delay), zap.Error(cause))
	}
}

// may reports whether a partition may be prepared or verified now.
func (b *backoffs) may(id uint32, clock *schedule) bool {
	r := b.byPartition[id]
	return r == nil || clock.due(r.next)
}

// attempts returns how often a partition was prepared or verified again.
func (b *backoffs) attempts(id uint32) int {
	if r := b.byPartition[id]; r != nil {
		return r.attempts
	}
	return 0
}

// resetStable resets the backoffs of the partitions that are stable.
func (b *backoffs) resetStable(partitions map[uint32]*partition, clock *schedule) {
	for id, r := range b.byPartition {
		if p := partitions[id]; p != nil && !p.state.assigned() || !clock.due(r.next.Add(max(stableTime, 2*r.delay))) {
			continue
		}
		delete(b.byPartition, id)
		if lasted, was := r.fault.End(); was {
			b.log.Info("partition is stable again", zap.Uint32("partition", id), zap.Duration("elapsed", lasted), zap.Int("attempt", r.attempts))
		}
	}
}

// problem returns why a partition is prepared or verified repeatedly; nil when it is not.
func (b *backoffs) problem(id uint32) error {
	if r := b.byPartition[id]; r != nil && r.attempts >= problemAttempts {
		return r.cause
	}
	return nil
}
