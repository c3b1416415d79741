package consumer

import (
	"math/rand/v2"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// redelivery says how often and after which pauses a failed message is given to
// the application again.
//
// It is failsafe-go's backoff by its formula and not by its executor, which
// would hold a goroutine for the length of each pause, while a message that
// waits here holds a timer and its lane.
type redeliveryPolicy struct {
	maxDeliveries int // deliveries; negative: no end
	backoff       config.Backoff
}

// delay is the pause after the given number of deliveries: the base, doubled
// with each one up to the ceiling, spread by ± the jitter.
func (p redeliveryPolicy) backoffDelay(deliveries int) time.Duration {
	d := p.backoff.BaseBackoff
	for i := 1; i < deliveries && d < p.backoff.MaxBackoff; i++ {
		d *= 2
	}
	d = min(d, max(p.backoff.MaxBackoff, p.backoff.BaseBackoff))
	spread := (rand.Float64()*2 - 1) * p.backoff.Jitter
	return time.Duration(float64(d) * (1 + spread))
}

// untilItHolds is the policy for what is tried until it succeeds or its
// context ends: joining a group, writing a dead letter.
func retryUntilDone(b config.Backoff, ceiling time.Duration, failed func(err error, attempt int)) failsafe.Executor[any] {
	base := max(b.BaseBackoff, time.Millisecond)
	limit := max(min(b.MaxBackoff, ceiling), base)
	policy := retrypolicy.NewBuilder[any]().
		WithMaxAttempts(-1).
		WithJitterFactor(b.Jitter).
		OnRetryScheduled(func(e failsafe.ExecutionScheduledEvent[any]) { failed(e.LastError(), e.Attempts()) })
	if base < limit {
		policy = policy.WithBackoff(base, limit)
	} else {
		policy = policy.WithDelay(limit)
	}
	return failsafe.With[any](policy.Build())
}
