package producer

import (
	"context"
	"errors"
	"fmt"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// retryPolicy repeats requests with exponential backoff and jitter, while the error is worth it and
// the context lasts. The batch counts the attempts, since it outlives one use of this policy. The
// link has the circuit breaker and the request timeout.
type retryPolicy struct {
	executor failsafe.Executor[any]
}

func newRetryPolicy(cfg config.Backoff) retryPolicy {
	policy := retrypolicy.NewBuilder[any]().
		WithMaxAttempts(-1).
		WithJitterFactor(cfg.Jitter).
		HandleIf(func(_ any, err error) bool { return shouldRetry(err) }).
		ReturnLastFailure()
	if cfg.BaseBackoff < cfg.MaxBackoff {
		policy = policy.WithBackoff(cfg.BaseBackoff, cfg.MaxBackoff)
	} else {
		policy = policy.WithDelay(cfg.MaxBackoff)
	}
	return retryPolicy{executor: failsafe.With[any](policy.Build())}
}

// do calls fn until it succeeds, fails for good, or ctx ends.
func (r retryPolicy) do(ctx context.Context, fn func(context.Context) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var last error
	err := r.executor.WithContext(ctx).RunWithExecution(func(exec failsafe.Execution[any]) error {
		last = fn(exec.Context())
		return last
	})
	if err != nil && ctx.Err() != nil {
		// The policy's error is the bare context's by now.
		if last == nil {
			return nil
		}
		if cause := context.Cause(ctx); !errors.Is(last, cause) {
			return fmt.Errorf("%w, the last attempt: %w", cause, last)
		}
		return last
	}
	return err
}

// shouldRetry reports whether an error of classifyFailure is worth a retry.
func shouldRetry(err error) bool {
	var final *finalError
	switch {
	case errors.As(err, &final):
		return false
	case isRetryError(err):
		return true
	default:
		return iggyerr.IsRetryable(err)
	}
}

// finalError ends the retries: they are used up.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

// retryError is retried whatever its cause: according to the metadata the request may succeed.
type retryError struct{ err error }

func isRetryError(err error) bool {
	var again *retryError
	return errors.As(err, &again)
}

func (e *retryError) Error() string { return e.err.Error() }
func (e *retryError) Unwrap() error { return e.err }
