// Package retry repeats an operation that must not be given up, such as storing the state of
// finished work.
package retry

import (
	"context"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"go.uber.org/zap"
)

// Do calls f until it returns nil, with exponential backoff, and logs a warning after each failure.
// When ctx ends first, Do returns the cause of ctx.
func Do(ctx context.Context, log *zap.Logger, operation string, f func(context.Context) error) error {
	policy := retrypolicy.NewBuilder[any]().
		WithMaxAttempts(-1).
		WithBackoff(50*time.Millisecond, 5*time.Second).
		WithJitterFactor(0.2).
		AbortIf(func(any, error) bool { return ctx.Err() != nil }).
		OnRetryScheduled(func(e failsafe.ExecutionScheduledEvent[any]) {
			log.Warn("operation failed, retrying", zap.String("operation", operation),
				zap.Int("attempt", e.Attempts()), zap.Duration("delay", e.Delay),
				zap.Error(e.LastError()))
		}).
		Build()
	if ctx.Err() == nil {
		executor := failsafe.With[any](policy).WithContext(ctx)
		err := executor.RunWithExecution(func(e failsafe.Execution[any]) error {
			return f(e.Context())
		})
		if err == nil {
			return nil
		}
	}
	return context.Cause(ctx)
}
