package retry

import (
	"context"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// Breaker is a circuit breaker: after some failures in a row it is open for a while, and lets one
// call through then. It is safe for concurrent use.
//
// The results are reported by Success and Failure, and not by the end of a call: a connection
// counts by what it serves later.
type Breaker struct {
	breaker circuitbreaker.CircuitBreaker[any] // nil: always closed
}

// NewBreaker returns a closed breaker. One with 0 failures never opens.
func NewBreaker(cfg config.Breaker) *Breaker {
	if cfg.Failures <= 0 {
		return &Breaker{}
	}
	return &Breaker{breaker: circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(uint(cfg.Failures)).
		WithSuccessThreshold(1).
		WithDelay(cfg.Delay).
		Build()}
}

// Wait waits until the breaker lets a call through, or returns the cause of ctx's end. Each Wait
// that returns nil is followed by a Success or a Failure.
func (b *Breaker) Wait(ctx context.Context) error {
	if b.breaker == nil {
		return nil
	}
	for !b.breaker.TryAcquirePermit() {
		timer := time.NewTimer(max(b.breaker.RemainingDelay(), time.Millisecond))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
	return nil
}

// Success reports a call that succeeded. It closes the breaker after it was open.
func (b *Breaker) Success() {
	if b.breaker != nil {
		b.breaker.RecordSuccess()
	}
}

// Failure reports a call that failed.
func (b *Breaker) Failure() {
	if b.breaker != nil {
		b.breaker.RecordFailure()
	}
}

// Closed reports whether calls are let through without limit.
func (b *Breaker) Closed() bool { return b.breaker == nil || b.breaker.IsClosed() }

// State returns closed, open or half-open.
func (b *Breaker) State() string {
	if b.breaker == nil {
		return circuitbreaker.ClosedState.String()
	}
	return b.breaker.State().String()
}
