package producer

import (
	"errors"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// shouldRetry reports whether an error of classifyFailure is worth a retry. The batch counts the
// attempts, since it outlives one use of the retry policy.
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
