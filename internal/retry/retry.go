// Package retry makes calls again until they succeed. It holds the one builder of failsafe-go
// policies:
//
//	policy := retry.New(cfg.Retry.Backoff, retry.If(iggyerr.IsRetryable))
//	err := policy.Do(ctx, func(ctx context.Context, attempt int) error { … })
//
// A policy has no limit of attempts: the end of the context, or an error that If refuses, ends the
// retries. Make a policy once and use it for many calls.
//
// Policies nest from the outside to the inside as retry, circuit breaker, time-out of the request.
// Breaker is the breaker; the time-out is a context.WithTimeoutCause inside of the call, since the
// time-out policy of failsafe-go waits for a call that ignores its context. A panic in the call is
// not caught: use package callback inside.
package retry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// Policy makes calls again with exponential backoff and jitter. It is safe for concurrent use.
type Policy struct {
	executor failsafe.Executor[any]
}

// Option changes a Policy while New makes it.
type Option func(retrypolicy.Builder[any])

// If limits the retries to errors for which retryable returns true. Without it, every error is
// retried.
func If(retryable func(err error) bool) Option {
	return func(b retrypolicy.Builder[any]) {
		b.HandleIf(func(_ any, err error) bool { return err != nil && retryable(err) })
	}
}

// New returns a policy with the given backoff. A base below 1 ms counts as 1 ms, and a maximum
// below the base as the base, so that no call is repeated without a pause.
func New(b config.Backoff, opts ...Option) *Policy {
	base, maximum := bounds(b)
	builder := retrypolicy.NewBuilder[any]().
		WithMaxAttempts(-1).
		WithJitterFactor(b.Jitter).
		ReturnLastFailure()
	if base < maximum {
		builder = builder.WithBackoff(base, maximum)
	} else {
		builder = builder.WithDelay(base)
	}
	for _, opt := range opts {
		opt(builder)
	}
	return &Policy{executor: failsafe.With[any](builder.Build())}
}

// Do calls f until it succeeds, fails with an error that is not retried, or ctx ends. attempt
// counts from 1.
//
// When ctx has ended before, Do returns its cause and does not call f. When ctx ends later, the
// result is nil if the last call succeeded, and an error that wraps the cause and the error of the
// last call otherwise. When that error is the cause, Do wraps the error of the call before it, too.
func (p *Policy) Do(ctx context.Context, f func(ctx context.Context, attempt int) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var last, before error
	err := p.executor.WithContext(ctx).RunWithExecution(func(exec failsafe.Execution[any]) error {
		before, last = last, f(exec.Context(), exec.Attempts())
		return last
	})
	if err == nil || ctx.Err() == nil {
		return err
	}
	// failsafe-go hides the result of a call during which the context ends.
	if last == nil {
		return nil
	}
	if cause := context.Cause(ctx); !errors.Is(last, cause) {
		return fmt.Errorf("%w, the last attempt: %w", cause, last)
	}
	if before != nil {
		return fmt.Errorf("%w, the attempt before: %w", last, before)
	}
	return last
}

// Delay returns the backoff after the given attempt, counted from 1, as a Policy has it: the base,
// doubled with each attempt up to the maximum, spread by ± the jitter. It is for those that wait by
// a timer, since a Policy holds a goroutine for the length of each backoff.
func Delay(b config.Backoff, attempt int) time.Duration {
	delay, maximum := bounds(b)
	for i := 1; i < attempt && delay < maximum; i++ {
		delay *= 2
	}
	delay = min(delay, maximum)
	spread := (rand.Float64()*2 - 1) * b.Jitter
	return time.Duration(float64(delay) * (1 + spread))
}

func bounds(b config.Backoff) (base, maximum time.Duration) {
	base = max(b.BaseBackoff, time.Millisecond)
	return base, max(b.MaxBackoff, base)
}
