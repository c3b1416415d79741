package consumer

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// PollFailed implements fetch.Owner.
func (p *partition) PollFailed(_ uint32, err error) {
	p.e.problems.note(p.problem("poll", err))
	p.refused(err)
}

// refused tells the group of a request of the partition that the server refused.
func (p *partition) refused(err error) {
	if isRefused(err) {
		p.e.machine.Refused(p.id, p.epoch, err)
	}
}

// CommitFailed implements commit.Owner.
func (p *partition) CommitFailed(offset uint64, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	var moved *commit.ResetError
	if errors.As(err, &moved) {
		p.cursor.Distrust() // the verification decides what becomes of it
		return
	}
	p.e.problems.note(p.problem("commit", err))
	var status *iggyerr.StatusError
	switch {
	case p.queue.State().Phase == deliver.PhaseLost:
		// An answer to a former assignment says nothing about the present one.
	case errors.As(err, &status) && status.Status == iggyerr.StatusInvalidOffset:
		p.cursor.Distrust() // the log ends before the offset: it was truncated
	case isLost(err):
		p.refused(err)
	default:
		p.log.Warn("commit failed, retrying", zap.Uint64("offset", offset), zap.Error(err))
	}
}

// isLost tells whether a refused request means that the partition or the
// membership is gone. Over transports that can't tell more, that is the bare
// status 1, too.
func isLost(err error) bool {
	var status *iggyerr.StatusError
	return errors.Is(err, iggyerr.ErrNotOwner) || errors.Is(err, iggyerr.ErrNotMember) || errors.Is(err, iggyerr.ErrNotFound) ||
		errors.As(err, &status) && status.Status == iggyerr.StatusGeneric
}

// isRefused reports whether err is an answer of the server, and not the lack of one.
func isRefused(err error) bool {
	var status *iggyerr.StatusError
	return errors.As(err, &status)
}
