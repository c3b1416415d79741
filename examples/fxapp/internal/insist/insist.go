// Package insist tries things that must not be given up, such as storing what is
// already done, until they succeed or there is no more time for them.
package insist

import (
	"context"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"go.uber.org/zap"
)

// On calls do until it returns nil, with growing pauses, and logs each failure as a
// warning about what. When ctx ends first it returns the context's cause.
func On(ctx context.Context, log *zap.Logger, what string, do func(context.Context) error) error {
	policy := retrypolicy.NewBuilder[any]().
		WithMaxAttempts(-1).
		WithBackoff(50*time.Millisecond, 5*time.Second).
		WithJitterFactor(0.2).
		AbortIf(func(any, error) bool { return ctx.Err() != nil }).
		OnRetryScheduled(func(e failsafe.ExecutionScheduledEvent[any]) {
			log.Warn("still to be done: "+what, zap.Int("attempt", e.Attempts()), zap.Duration("delay", e.Delay), zap.Error(e.LastError()))
		}).
		Build()
	if ctx.Err() == nil {
		err := failsafe.With[any](policy).WithContext(ctx).RunWithExecution(func(e failsafe.Execution[any]) error {
			return do(e.Context())
		})
		if err == nil {
			return nil
		}
	}
	return context.Cause(ctx)
}
