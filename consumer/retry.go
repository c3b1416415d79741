package consumer

import (
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// retryUntilDone returns the policy for what is retried until it succeeds or its context ends:
// joining a group, writing a dead letter.
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
