package consumer

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// commitRefused handles a commit that failed.
func (e *engine) commitRefused(p *partition, offset uint64, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	var moved *offsetMovedError
	if errors.As(err, &moved) {
		e.requestVerify(p) // which follows the moved offset
		return
	}
	e.setLastError(fmt.Errorf("iggy: commit %s/%d: %w", e.identity.Topic, p.id, err))
	var status *iggyerr.StatusError
	switch {
	case p.isLost():
		// An answer to an earlier membership says nothing about the present one.
	case e.isMembershipGone(err):
		e.evict(err)
	case e.grouped && isNotOwner(err):
		p.log.Warn("partition reassigned before its offset was committed", zap.Uint64("offset", offset), zap.Error(err))
		e.losePartition(p, fmt.Errorf("%w: %w", ErrLost, err))
	case errors.As(err, &status) && status.Status == iggyerr.StatusInvalidOffset:
		// The log ends before the offset: it was truncated.
		e.requestVerify(p)
	default:
		p.log.Warn("commit failed, retrying", zap.Uint64("offset", offset), zap.Error(err))
	}
}
