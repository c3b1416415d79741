package consumer

import (
	"errors"
	"fmt"
	"strings"
)

// ErrLost is the cause with which the contexts of handlers end whose partition
// is no longer this consumer's: it went to another member of the group, or the
// connection under which it was held ended. The message comes again, here or
// there; acknowledging it has no effect.
var ErrLost = errors.New("iggy: partition lost")

// ErrStopDeadline is the cause with which the contexts of handlers end that
// outlast the time for stopping. Their messages are not acknowledged and come again.
var ErrStopDeadline = errors.New("iggy: stop deadline passed")

// ErrHandlerTimeout is the cause with which a handler's context ends after
// handler_timeout.
var ErrHandlerTimeout = errors.New("iggy: handler timeout")

// ErrConsuming is returned by Handle, HandleBatch, Next and Messages when the
// consumer's messages go elsewhere: a second handler, or a handler and an
// iteration at once.
var ErrConsuming = errors.New("iggy: the consumer's messages already go to a handler or an iteration")

// errNacked is the failure of a message whose Nack was given no error.
var errNacked = errors.New("iggy: not acknowledged by the application")

// errSought is the cause with which the contexts of handlers end when their
// partition was set to another offset.
var errSeek = fmt.Errorf("%w: set to another offset", ErrLost)

// StopError says what a stop could not finish. Nothing of it is lost: it is
// delivered again, to this group's other members or after the next start.
type StopError struct {
	// Consumer is the consumer's name.
	Consumer string
	// Unfinished is how many messages were with the application and not acknowledged.
	Unfinished int
	// Waiting is how many of them nobody worked on: they waited for their next
	// delivery, or behind such a message of their key. A stop does not wait for
	// those; when there are no others, and Err is nil, it was in time.
	Waiting int
	// Uncommitted is how many acknowledged messages have no stored offset, and
	// so come again.
	Uncommitted int
	// Err is what went wrong besides, or why the time was over. It is nil
	// when messages merely waited.
	Err error
}

// Error holds the counts and the cause.
func (e *StopError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "iggy: consumer %s: stop: %d messages unfinished", e.Consumer, e.Unfinished)
	if e.Waiting > 0 {
		fmt.Fprintf(&b, " (%d waited for their next delivery)", e.Waiting)
	}
	fmt.Fprintf(&b, ", %d acknowledged but not committed", e.Uncommitted)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *StopError) Unwrap() error { return e.Err }
