package consumer

import (
	"errors"
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Drop ends a message without a dead letter when a handler returns it, or Nack gets it, also wrapped:
// the message is acknowledged, logged at debug level and counted as dropped.
var Drop = errors.New("iggy: message dropped") //nolint:revive,staticcheck,errname // an instruction rather than an error, like fs.SkipAll

// Permanent marks err as one for which another delivery is of no use: the message goes to the dead
// letters at once. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }

func (e *permanentError) Unwrap() error { return e.err }

// RetryAfter asks for the redelivery after d instead of after the configured backoff, for example
// because of a server's Retry-After. The delivery counts: when max_deliveries is reached, the
// message is given up. A stop or a reassignment does not wait for the redelivery: the message is
// delivered again afterwards, and its deliveries are counted anew. A negative d means at once; err
// may be nil.
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

// safeError returns err, or the panic of one of its methods: those of a typed nil may panic, for
// example. The error is used later where no panic is recovered.
func safeError(err error) error {
	if err == nil {
		return nil
	}
	return callback.Recover(func() error {
		_, _ = errors.Is(err, Drop), topic.CodeOf(err)
		_ = err.Error()
		return err
	})
}
