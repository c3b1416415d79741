package consumer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
)

// ErrLost is the cause with which the contexts of handlers end when their partition is no longer
// assigned to this consumer: it went to another member of the group, or the connection of the
// membership ended. The message is delivered again, here or elsewhere; an acknowledgement has no
// effect.
var ErrLost = group.ErrLost

// ErrStopDeadline is the cause with which the contexts of handlers end that are still running when
// the time for stopping is over. Their messages are not acknowledged and are delivered again.
var ErrStopDeadline = group.ErrStopDeadline

// ErrHandlerTimeout is the cause with which a handler's context ends after handler_timeout.
var ErrHandlerTimeout = errors.New("iggy: handler timeout")

// ErrConsuming is returned by Handle, HandleBatch, Next and Messages when the consumer's messages
// go elsewhere: to a second handler, or to a handler and an iteration at once.
var ErrConsuming = errors.New("iggy: the consumer's messages already go to a handler or an iteration")

// errSeek is the cause with which the contexts of handlers end when their partition is moved by
// Seek.
var errSeek = fmt.Errorf("%w: set to another offset", ErrLost)

// StopError says what a stop could not finish. Nothing of it is lost: it is delivered again, to the
// other members of the group or after the next start.
type StopError struct {
	// Consumer is the consumer's name.
	Consumer string
	// Unfinished is how many messages were in flight and not acknowledged.
	Unfinished int
	// Waiting is how many of the unfinished messages waited for redelivery, or after such a message
	// of their key. A stop does not wait for those: without others, and without a cause in Err, it
	// returns no error.
	Waiting int
	// Uncommitted is how many acknowledged messages have no committed offset and so are delivered
	// again.
	Uncommitted int
	// Err is what else went wrong, or why the time was over.
	Err error
}

// Error returns the counts and the cause.
func (e *StopError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "iggy: consumer %s: stop: %d messages unfinished", e.Consumer, e.Unfinished)
	if e.Waiting > 0 {
		fmt.Fprintf(&b, " (%d waited for redelivery)", e.Waiting)
	}
	fmt.Fprintf(&b, ", %d acknowledged but not committed", e.Uncommitted)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *StopError) Unwrap() error { return e.Err }
