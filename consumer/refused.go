package consumer

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
)

// PollFailed implements fetch.Owner. The cursor pauses by itself (fetch/refused.go). What a refusal
// means for the membership is decided by the group (group/refused.go).
func (p *partition) PollFailed(_ uint32, err error) {
	p.e.problems.note(p.problem("poll", err))
	p.reportRefusal(err)
}

// reportRefusal tells the group about a request of the partition that the server refused.
func (p *partition) reportRefusal(err error) {
	if protocol.IsRefused(err) {
		p.e.machine.Refused(p.id, p.epoch, err)
	}
}

// CommitFailed implements commit.Owner. The prefix stays uncommitted, and is committed after the
// next interval or a second, whichever is shorter, unless the partition is lost before.
func (p *partition) CommitFailed(offset uint64, err error, log bool) {
	if errors.Is(err, context.Canceled) {
		return
	}
	var reset *commit.ResetError
	if errors.As(err, &reset) {
		p.cursor.NeedsVerify() // the verification decides where the partition continues
		return
	}
	p.e.problems.note(p.problem("commit", err))
	switch {
	case p.queue.State().Phase == deliver.PhaseLost:
		// An answer to a former assignment says nothing about the present one.
	case protocol.IsInvalidOffset(err):
		p.cursor.NeedsVerify() // the log ends before the offset: it was truncated
	case protocol.IsLost(err):
		p.reportRefusal(err)
	case log:
		p.log.Warn("commit failed, retrying", zap.Uint64("offset", offset), zap.Error(err))
	}
}
