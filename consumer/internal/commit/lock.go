package commit

import "context"

// Lock serializes what reads and writes the stored offset of a partition. It is held during the
// requests, so it is no mutex: the wait for it ends with the context. It outlives assignments: the
// last commit of one assignment must not come after the next one has read the stored offset, or it
// would look like the reset of an operator.
type Lock chan struct{}

// NewLock returns the lock of a partition.
func NewLock() Lock { return make(Lock, 1) }

// Acquire waits until nobody holds the lock, and holds it until release is called.
func (l Lock) Acquire(ctx context.Context) (release func(), err error) {
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
