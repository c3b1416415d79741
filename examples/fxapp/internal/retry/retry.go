// Package retry retries an operation for as long as it fails because of the environment. The example
// publishes the state of finished work in this way.
package retry

import (
	"context"
	"errors"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"go.uber.org/zap"
)

// logInterval is how often a failing operation is logged at most.
const logInterval = time.Minute

// permanentError is an error that no further call mends.
type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

// Permanent marks an error of the operation that no further call mends: Do returns it at once.
// Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// Do calls f until it returns nil or a permanent error, with exponential backoff. It logs when the
// failures begin, at most once a minute while they last, and when they end. When ctx ends first, Do
// returns the cause of ctx.
func Do(ctx context.Context, log *zap.Logger, operation string, f func(context.Context) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	log = log.With(zap.String("operation", operation))
	var logged time.Time
	var permanent *permanentError
	policy := retrypolicy.NewBuilder[any]().
		WithMaxAttempts(-1).
		WithBackoff(50*time.Millisecond, 5*time.Second).
		WithJitterFactor(0.2).
		AbortIf(func(_ any, err error) bool { return ctx.Err() != nil || errors.As(err, &permanent) }).
		OnRetryScheduled(func(e failsafe.ExecutionScheduledEvent[any]) {
			if time.Since(logged) < logInterval {
				return
			}
			logged = time.Now()
			log.Warn("operation failed, retrying",
				zap.Int("attempt", e.Attempts()), zap.Duration("delay", e.Delay), zap.Error(e.LastError()))
		}).
		Build()
	err := failsafe.With[any](policy).WithContext(ctx).RunWithExecution(func(e failsafe.Execution[any]) error {
		return f(e.Context())
	})
	switch {
	case err == nil && !logged.IsZero():
		log.Info("operation succeeded after failures")
		return nil
	case err == nil:
		return nil
	case permanent != nil:
		return err
	}
	return context.Cause(ctx)
}
