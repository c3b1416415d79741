package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// handleRefusal processes a refused poll: it sets when the partition is polled again, and for how
// many messages. p.mu is held.
func (f *fetcher) handleRefusal(p *partition, req pollRequest, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, iggyerr.ErrClosed) {
		return
	}
	var conn *iggyerr.ConnError
	if errors.As(err, &conn) && conn.Sent {
		// The answer may have been too large for the request timeout.
		p.history.maxCount = max(1, min(req.count, p.history.maxCount)/8)
	}
	pause := max(f.e.cfg.Retry.BaseBackoff, f.e.cfg.PollIntervalMax)
	var status *iggyerr.StatusError
	switch {
	case isUnreadable(err) && req.count > 1:
		// Only one of the messages is the reason.
		p.history.maxCount = max(1, req.count/8)
		pause = f.e.cfg.PollIntervalMin
	case errors.As(err, &status) && !f.e.isMembershipGone(err) && !isNotOwner(err) && !p.refusalLogged:
		p.refusalLogged = true
		offset := p.position
		p.deferLog(func() {
			p.log.Warn("poll refused, retrying", zap.Uint64("offset", offset), zap.Error(err))
		})
	}
	p.nextPollAt = time.Now().Add(pause)
}

// pollFailed reports a failed poll. It loses the membership if that is gone.
func (e *engine) pollFailed(p *partition, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, iggyerr.ErrClosed) {
		return
	}
	e.setLastError(fmt.Errorf("iggy: poll %s/%d: %w", e.identity.Topic, p.id, err))
	if e.isMembershipGone(err) && !p.isLost() {
		e.evict(err)
	}
}
