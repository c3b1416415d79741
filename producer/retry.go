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

// retryPolicy is how requests are made again: with exponential backoff and
// jitter, while the error is worth it and the context lasts. The number of attempts is
// the batch's matter, since it outlives a round of this policy. The circuit breaker
// and the time-out of a request belong to the link, inside of this.
type retryPolicy struct {
	executor failsafe.Executor[any]
}

func newRetryPolicy(cfg config.Backoff) retryPolicy {
	policy := retrypolicy.NewBuilder[any]().
		WithMaxAttempts(-1).
		WithJitterFactor(cfg.Jitter).
		HandleIf(func(_ any, err error) bool { return worthRetrying(err) }).
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

func worthRetrying(err error) bool {
	var final *finalError
	switch {
	case errors.As(err, &final):
		return false
	case isAgain(err):
		return true
	default:
		return iggyerr.IsRetryable(err)
	}
}

// finalError ends the retries: they are used up.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

// againError is retried whatever its cause: the metadata says that it may succeed.
type againError struct{ err error }

func isAgain(err error) bool {
	var again *againError
	return errors.As(err, &again)
}

func (e *againError) Error() string { return e.err.Error() }
func (e *againError) Unwrap() error { return e.err }
