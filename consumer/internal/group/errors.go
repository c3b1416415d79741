package group

import (
	"errors"
	"fmt"
)

// ErrLost is the cause with which the contexts of handlers end whose partition is not this
// consumer's any more.
var ErrLost = errors.New("iggy: partition lost")

var (
	errHandedOver  = fmt.Errorf("%w: handed over", ErrLost)
	errNotAssigned = fmt.Errorf("%w: assigned to another member", ErrLost)
	errRemoved     = fmt.Errorf("%w: removed from the topic", ErrLost)
	errHandOver    = fmt.Errorf("%w: it was to be handed over, and the rebalance timeout passed", ErrLost)
	errReset       = fmt.Errorf("%w: assigned again at another offset", ErrLost)
)

// MovedError says that the stored offset of a partition is not the one that was stored from here:
// someone else moved it, or deleted it.
type MovedError struct {
	Stored bool
	Offset uint64
}

func (e *MovedError) Error() string {
	if !e.Stored {
		return "the stored offset was deleted by someone else"
	}
	return fmt.Sprintf("the stored offset was moved to %d by someone else", e.Offset)
}

// ErrStopDeadline is the cause with which the contexts of handlers end that outlast the time for
// stopping.
var ErrStopDeadline = errors.New("iggy: stop deadline passed")
