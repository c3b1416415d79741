package group

import (
	"errors"
	"fmt"
)

// ErrLost is the cause with which the contexts of handlers end whose partition is lost; see
// consumer.ErrLost.
var ErrLost = errors.New("iggy: partition lost")

var (
	errHandedOver  = fmt.Errorf("%w: handed over", ErrLost)
	errNotAssigned = fmt.Errorf("%w: assigned to another member", ErrLost)
	errRemoved     = fmt.Errorf("%w: removed from the topic", ErrLost)
	errHandOver    = fmt.Errorf("%w: it was about to be handed over, and the rebalance timeout passed", ErrLost)
	errReset       = fmt.Errorf("%w: assigned again at another offset", ErrLost)
)

// ResetError says that the stored offset of a partition is not the one that was stored from here:
// someone else moved it, or deleted it.
type ResetError struct {
	Stored bool
	Offset uint64
}

func (e *ResetError) Error() string {
	if !e.Stored {
		return "the stored offset was deleted by someone else"
	}
	return fmt.Sprintf("the stored offset was moved to %d by someone else", e.Offset)
}

// ErrStopDeadline is the cause with which the contexts of handlers end that still run when the time
// for stopping is over; see consumer.ErrStopDeadline.
var ErrStopDeadline = errors.New("iggy: stop deadline passed")
