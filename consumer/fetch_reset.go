package consumer

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// applyOnReset applies on_reset to a truncated log or a moved offset.
func (e *engine) applyOnReset(id uint32, h *history, follow startPoint, what string) startPoint {
	at := follow
	switch e.cfg.OnReset {
	case config.ResetLatest:
		at, h.logTruncated = storedStart(follow.logEnd, follow.logEnd), false
	case config.ResetStop:
		at.stopErr = fmt.Errorf("iggy: %s/%s/%d: %s (on_reset: stop)", e.identity.Stream, e.identity.Topic, id, what)
	default:
		at.resetDedup = true
	}
	at.offsetReset = true
	h.hasCommitted, h.hasNext = false, false
	e.log.Warn("offset reset: "+what, zap.Uint32("partition", id), zap.Uint64("offset", at.position),
		zap.String("on_reset", string(e.cfg.OnReset)))
	return at
}

// startAfterTruncation is where to start in a truncated log. Messages may have been appended since,
// below the old position: those with a later time than the last acknowledged one are new. So are
// those of the same time behind it, if the log is complete after all: a batch has one time. When
// nothing was acknowledged, the first message that was read is the start; when none was, nothing is
// known to be handled, and the log is read from its start.
func (e *engine) startAfterTruncation(h *history, end uint64) startPoint {
	h.logTruncated = true
	past := skipRange{timestamp: h.timestamp, below: h.next}
	if h.timestamp == 0 {
		past = h.handledBefore
	}
	if past.timestamp == 0 {
		return startPoint{position: 0, anyFirstOffset: true, logEnd: end}
	}
	return startPoint{
		firstPoll: &transport.Strategy{Kind: transport.FromTimestamp, Value: past.timestamp}, skip: past,
		logEnd: end, position: end, anyFirstOffset: true,
	}
}
