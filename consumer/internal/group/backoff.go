package group

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/retry"
)

// backoffs remembers partitions whose offsets repeat or go back, so that they are verified or taken
// again and again, or which can't be taken at all. Such a partition waits longer each time, until
// it stays as it is for a while. The memory outlives assignments.
type backoffs struct {
	*base
	of map[uint32]*retries
}

// retries is how often something had to be done again with a partition.
type retries struct {
	attempts int
	cause    error
	delay    time.Duration
	next     time.Time // nothing is done with it before
	trouble  condition
}

const (
	// stableTime is how long a partition must stay as it is, and at least twice as long as it
	// waited last.
	stableTime = 10 * time.Second
	// troubled is at which attempt a partition is a problem: two may be an operator's.
	troubled = 3
)

// The backoffs of a machine are times that its loop waits for, beside everything else that may
// happen meanwhile. So it takes their lengths from package retry, and not its policies: each of
// these would hold a goroutine, and would have to be interrupted by each of those events.
var (
	joinBackoff      = config.Backoff{BaseBackoff: 50 * time.Millisecond, MaxBackoff: 5 * time.Second, Jitter: 0.2}
	handOverBackoff  = config.Backoff{BaseBackoff: 50 * time.Millisecond, MaxBackoff: 5 * time.Second, Jitter: 0.2}
	partitionBackoff = config.Backoff{BaseBackoff: 100 * time.Millisecond, MaxBackoff: 30 * time.Second, Jitter: 0.2}
)

// errDoubt says that a partition is verified again and again.
var errDoubt = errors.New("its offsets do not continue, and a verification finds nothing wrong")

// again notes that something has to be done again with a partition. The first time that may be at
// once, unless it is to wait in any case.
func (b *backoffs) again(id uint32, cause error, wait bool) {
	one := b.of[id]
	if one == nil {
		one = &retries{}
		b.of[id] = one
	}
	one.attempts++
	one.cause, one.delay = cause, 0
	n := one.attempts
	if !wait {
		n--
	}
	if n > 0 {
		one.delay = retry.Delay(partitionBackoff, n)
	}
	one.next = time.Now().Add(one.delay)
	if one.attempts >= troubled && one.trouble.again() {
		b.log.Warn("partition assigned again and again, waiting", zap.Uint32("partition", id),
			zap.Int("attempt", one.attempts), zap.Duration("delay", one.delay), zap.Error(cause))
	}
}

// may tells whether something may be done with a partition now.
func (b *backoffs) may(id uint32, clock *schedule) bool {
	one := b.of[id]
	return one == nil || clock.due(one.next)
}

// attempts is how often something had to be done again with a partition.
func (b *backoffs) attempts(id uint32) int {
	if one := b.of[id]; one != nil {
		return one.attempts
	}
	return 0
}

// settle forgets the partitions that are stable.
func (b *backoffs) settle(partitions map[uint32]*partition, clock *schedule) {
	for id, one := range b.of {
		if p := partitions[id]; p != nil && !p.state.assigned() || !clock.due(one.next.Add(max(stableTime, 2*one.delay))) {
			continue
		}
		delete(b.of, id)
		if lasted, was := one.trouble.over(); was {
			b.log.Info("partition is stable again", zap.Uint32("partition", id), zap.Duration("elapsed", lasted), zap.Int("attempt", one.attempts))
		}
	}
}

// problem is why something has to be done again and again with a partition; nil when it has not.
func (b *backoffs) problem(id uint32) error {
	if one := b.of[id]; one != nil && one.attempts >= troubled {
		return one.cause
	}
	return nil
}
