package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// refused looks after a poll without an answer. p.mu is held.
func (f *fetcher) handleRefusal(p *partition, req pollRequest, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, iggyerr.ErrClosed) {
		return
	}
	var conn *iggyerr.ConnError
	if errors.As(err, &conn) && conn.Sent {
		// Perhaps the answer was too large for the time there is.
		p.history.maxCount = max(1, min(req.count, p.history.maxCount)/8)
	}
	pause := max(f.e.cfg.Retry.BaseBackoff, f.e.cfg.PollIntervalMax)
	var status *iggyerr.StatusError
	switch {
	case isUnreadable(err) && req.count > 1:
		// One of the messages is to blame, and not the others.
		p.history.maxCount = max(1, req.count/8)
		pause = f.e.cfg.PollIntervalMin
	case errors.As(err, &status) && !f.e.isMembershipGone(err) && !isNotOwner(err) && !p.refusalLogged:
		p.refusalLogged = true
		offset := p.position
		p.deferLog(func() {
			p.log.Warn("the partition cannot be read, trying again", zap.Uint64("offset", offset), zap.Error(err))
		})
	}
	p.nextPollAt = time.Now().Add(pause)
}

// pollFailed looks after a poll without an answer.
func (e *engine) pollFailed(p *partition, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, iggyerr.ErrClosed) {
		return
	}
	e.setLastError(fmt.Errorf("iggy: poll %s/%d: %w", e.identity.Topic, p.id, err))
	if e.isMembershipGone(err) && !p.isLost() {
		e.evict(err)
	}
}
