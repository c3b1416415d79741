package consumer

import (
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// startPoint is where an assignment of a partition starts.
type startPoint struct {
	position       uint64
	firstPoll      *transport.Strategy // the first poll starts here instead of at position
	skip           skipRange           // messages that the first poll may bring and that were handled before
	anyFirstOffset bool                // the first message may have any offset
	prefix         uint64              // the acknowledged prefix before it
	hasPrefix      bool
	logEnd         uint64
	storePrefix    bool  // store prefix at once, so that another owner starts at the same position
	stopErr        error // on_reset is stop
	resetDedup     bool  // messages are delivered again on purpose: forget the ids that were seen
	offsetReset    bool
	deleteStored   bool // delete the stored offset, so that another owner starts at the start, too

	storedOffset uint64 // the offset that is stored now
	hasStored    bool
}

// skipRange is a range of messages that precede those to be read: those of one time, by the
// server's clock in microseconds, below an offset.
type skipRange struct{ timestamp, below uint64 }

// covers reports whether m is one of them.
func (h skipRange) covers(m *wire.Message) bool {
	return m.Timestamp == h.timestamp && m.Offset < h.below
}

// chooseStart decides where an assignment of a partition starts, by the stored offset, the end of
// the log, and what this consumer remembers. It is the only place that detects that a stored offset
// was moved or a log was truncated.
//
// trusted tells that the message before the remembered position is still the one that was
// acknowledged. If it is not, the log was truncated and the stored offset means nothing: a killed
// server restores the end of a log and the stored offset as they were some time ago, the offset
// mostly as 0 (measured on Iggy 0.8.0), and new messages may have the offsets of acknowledged ones.
func (e *engine) chooseStart(id uint32, h *history, stored transport.Offset, end uint64, trusted bool) startPoint {
	if h.logTruncated {
		return e.startAfterTruncation(h, end)
	}
	if !stored.Stored {
		return e.startWithoutOffset(id, h, end, trusted)
	}
	next := stored.Offset + 1
	at := startPoint{position: next, prefix: stored.Offset, hasPrefix: true, logEnd: end}
	moved := h.hasCommitted && stored.Offset < h.committed
	switch {
	case next > end:
		return e.applyOnReset(id, h, e.startAfterTruncation(h, end), fmt.Sprintf("offset %d is stored and the log ends before %d", stored.Offset, end))
	case h.hasNext && !trusted && stored.Offset < h.next:
		return e.applyOnReset(id, h, e.startAfterTruncation(h, end), fmt.Sprintf("offset %d was reached and the log has changed", h.next))
	case moved:
		return e.applyOnReset(id, h, at, fmt.Sprintf("offset %d was stored and it is %d now", h.committed, stored.Offset))
	case trusted && h.next > next:
		return storedStart(h.next, end)
	}
	return at
}

// startWithoutOffset is chooseStart for a partition without a stored offset.
func (e *engine) startWithoutOffset(id uint32, h *history, end uint64, trusted bool) startPoint {
	switch {
	case h.hasNext && !trusted:
		return e.applyOnReset(id, h, e.startAfterTruncation(h, end), fmt.Sprintf("offset %d was reached and the log has changed", h.next))
	case h.hasCommitted:
		return e.applyOnReset(id, h, startPoint{anyFirstOffset: true, logEnd: end}, fmt.Sprintf("offset %d was stored and none is stored now", h.committed))
	case trusted:
		return storedStart(h.next, end)
	}
	if at, ok := e.standalone.Start.startPoint(end); ok {
		return at
	}
	return e.initialStart(end)
}

// initialStart is where a partition starts for which nothing is stored, by start_from.
func (e *engine) initialStart(end uint64) startPoint {
	switch e.cfg.StartFrom {
	case config.StartEnd:
		return storedStart(end, end)
	case config.StartLast:
		return storedStart(max(end, 1)-1, end)
	default:
		return startPoint{position: 0, anyFirstOffset: true, logEnd: end}
	}
}

// storedStart starts at an offset that depends on the moment. It is stored at once: otherwise
// another owner before the first commit would skip the messages that arrive in between.
func storedStart(position, end uint64) startPoint {
	s := startPoint{position: position, logEnd: end}
	if position > 0 {
		s.prefix, s.hasPrefix, s.storePrefix = position-1, true, true
	}
	return s
}

// startPoint is where to start at p, given the end of the log; false for Stored.
func (p Position) startPoint(end uint64) (startPoint, bool) {
	switch p.kind {
	case atFirst:
		return startPoint{position: 0, anyFirstOffset: true, logEnd: end}, true
	case atLast:
		return startPoint{position: max(end, 1) - 1, anyFirstOffset: true, logEnd: end}, true
	case atEnd:
		return startPoint{position: end, logEnd: end}, true
	case atOffset:
		return startPoint{position: min(p.value, end), anyFirstOffset: true, logEnd: end}, true
	case atTime:
		return startPoint{
			firstPoll: &transport.Strategy{Kind: transport.FromTimestamp, Value: p.value},
			position:  end, anyFirstOffset: true, logEnd: end,
		}, true
	default:
		return startPoint{}, false
	}
}
