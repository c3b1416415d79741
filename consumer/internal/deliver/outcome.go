package deliver

import (
	"errors"
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/internal/retry"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Drop ends a message without a dead letter; see consumer.Drop.
var Drop = errors.New("iggy: message dropped") //nolint:errname,revive,staticcheck // an instruction rather than an error, like fs.SkipAll

// ErrNacked is the failure of a message whose Nack was given no error.
var ErrNacked = errors.New("iggy: not acknowledged by the application")

// Permanent marks err as one that another delivery can't repair; see consumer.Permanent.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// RetryAfter asks for the next delivery after d; see consumer.RetryAfter.
func RetryAfter(d time.Duration, err error) error {
	return &retryAfterError{max(d, 0), err}
}

type retryAfterError struct {
	delay time.Duration
	err   error
}

func (e *retryAfterError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("retry after %s", e.delay)
	}
	return fmt.Sprintf("%v (retry after %s)", e.err, e.delay)
}

func (e *retryAfterError) Unwrap() error { return e.err }

// Postpone asks for the next delivery after d, as if this one had not happened; see consumer.Postpone.
func Postpone(d time.Duration, err error) error {
	return &postponeError{max(d, 0), err}
}

type postponeError struct {
	delay time.Duration
	err   error
}

func (e *postponeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("postponed by %s", e.delay)
	}
	return fmt.Sprintf("%v (postponed by %s)", e.err, e.delay)
}

func (e *postponeError) Unwrap() error { return e.err }

// Unavailable says that the handler can't work because of err, which is not the message's fault:
// the queue pauses, or all queues of the pool, and the delivery does not count as an attempt.
func Unavailable(err error, all bool) error {
	if err == nil {
		return nil
	}
	return &unavailableError{err, all}
}

type unavailableError struct {
	err error
	all bool
}

func (e *unavailableError) Error() string { return e.err.Error() }
func (e *unavailableError) Unwrap() error { return e.err }

// Checked returns err, or a *iggyerr.PanicError when a method of err panics, as those of a typed
// nil may: the error is used later where no panic is recovered.
func Checked(err error) error {
	if err == nil {
		return nil
	}
	return callback.Recover(func() error {
		_, _ = errors.Is(err, Drop), topic.CodeOf(err)
		_ = err.Error()
		return err
	})
}

// decision is what is done with a message whose delivery failed.
type decision uint8

const (
	decisionRetry decision = iota
	decisionDeadLetter
	decisionDrop
	decisionPause    // the handler can't work for this queue: the delivery does not count
	decisionPauseAll // the handler can't work for any queue
	decisionPark     // it waits long
	decisionPostpone // it waits, and the delivery does not count
)

// policy says how often and after which backoff a failed message is delivered again.
type policy struct {
	max       int // deliveries; negative: unlimited
	backoff   config.Backoff
	parkAfter time.Duration // 0: nothing is parked
}

// decide decides about a failed delivery; attempts counts this one.
func (p policy) decide(err error, attempts int) (decision, time.Duration) {
	var permanent *permanentError
	var unavailable *unavailableError
	var after *retryAfterError
	var postponed *postponeError
	switch {
	case errors.Is(err, Drop):
		return decisionDrop, 0
	case errors.As(err, &unavailable):
		what, least := decisionPause, time.Duration(0)
		if unavailable.all {
			what = decisionPauseAll
		}
		if errors.As(err, &after) {
			least = after.delay
		}
		return what, least
	case errors.Is(err, iggyerr.ErrClosed):
		return decisionPauseAll, 0 // what the handler publishes with is closed, before this consumer
	case errors.As(err, &postponed):
		return decisionPostpone, postponed.delay
	case errors.As(err, &permanent), p.max >= 0 && attempts >= p.max:
		return decisionDeadLetter, 0
	case errors.As(err, &after) && p.parks(after.delay):
		return decisionPark, after.delay
	case errors.As(err, &after):
		return decisionRetry, after.delay
	default:
		return decisionRetry, p.delay(attempts)
	}
}

// parks reports whether a message is parked that waits for a delay.
func (p policy) parks(delay time.Duration) bool { return p.parkAfter > 0 && delay > p.parkAfter }

// delay returns the backoff after the given number of attempts; none where the base is 0.
func (p policy) delay(attempts int) time.Duration {
	if p.backoff.BaseBackoff <= 0 {
		return 0
	}
	return retry.Delay(p.backoff, attempts)
}
