package group

import (
	"errors"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
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

// isNotOwner tells whether err means that the partition is assigned to another member. Over
// transports that can't tell more, that is the bare status 1, too.
func isNotOwner(err error) bool {
	var status *iggyerr.StatusError
	return errors.Is(err, iggyerr.ErrNotOwner) ||
		errors.As(err, &status) && status.Status == iggyerr.StatusGeneric
}

// isOwnedByOther tells whether err means that for certain.
func isOwnedByOther(err error) bool { return errors.Is(err, iggyerr.ErrNotOwner) }

// isEvicted tells whether err means that the membership, or what it is in, does not exist.
func isEvicted(err error) bool {
	return errors.Is(err, iggyerr.ErrNotMember) || errors.Is(err, iggyerr.ErrNotFound)
}

// ErrStopDeadline is the cause with which the contexts of handlers end that outlast the time for
// stopping.
var ErrStopDeadline = errors.New("iggy: stop deadline passed")
