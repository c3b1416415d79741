package consumer

import (
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// start is where a partition is taken up.
type startPoint struct {
	position       uint64
	firstPoll      *transport.Strategy // instead of position, for the first poll
	skip           skipRange           // messages that are passed over then
	anyFirstOffset bool                // the first message's offset may be any
	prefix         uint64              // the acknowledged prefix that goes before it
	hasPrefix      bool
	logEnd         uint64
	storePrefix    bool  // store prefix at once, so that another owner begins at the same place
	stopErr        error // on_reset: stop
	resetDedup     bool  // messages come again on purpose: forget the ids that were seen
	offsetReset    bool
	deleteStored   bool // delete what is stored, so that another owner begins at the start, too

	storedOffset uint64 // what is stored now
	hasStored    bool
}

// handled are messages that come before those to be read: the ones of a time, by the server's clock
// in microseconds, below an offset.
type skipRange struct{ timestamp, below uint64 }

// covers tells whether m is one of them.
func (h skipRange) covers(m *wire.Message) bool {
	return m.Timestamp == h.timestamp && m.Offset < h.below
}

// place decides where to take up a partition by what is stored, where the
// log ends, and what this consumer remembers. It is the one place that
// notices that a stored offset was moved or a log is not what it was.
//
// trusted tells that the message before the remembered place is still the one
// that was acknowledged. When it is not the log was cut, and what is stored means
// nothing: a killed server brings the tail of a log and the stored
// offset back as they were some time ago, the offset mostly as 0 (measured on
// Iggy 0.8.0), and new messages may stand where acknowledged ones did.
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
		return e.applyOnReset(id, h, e.startAfterTruncation(h, end), fmt.Sprintf("offset %d was reached and the log is not the same any more", h.next))
	case moved:
		return e.applyOnReset(id, h, at, fmt.Sprintf("offset %d was stored and it is %d now", h.committed, stored.Offset))
	case trusted && h.next > next:
		return storedStart(h.next, end)
	}
	return at
}

// unstored is place where nothing is stored.
func (e *engine) startWithoutOffset(id uint32, h *history, end uint64, trusted bool) startPoint {
	switch {
	case h.hasNext && !trusted:
		return e.applyOnReset(id, h, e.startAfterTruncation(h, end), fmt.Sprintf("offset %d was reached and the log is not the same any more", h.next))
	case h.hasCommitted:
		return e.applyOnReset(id, h, startPoint{anyFirstOffset: true, logEnd: end}, fmt.Sprintf("offset %d was stored and there is none any more", h.committed))
	case trusted:
		return storedStart(h.next, end)
	}
	if at, ok := e.standalone.Start.startPoint(end); ok {
		return at
	}
	return e.initialStart(end)
}

// first is where a partition begins for which nothing is stored.
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

// pinned begins at an offset that depends on the moment: it is stored, or a
// change of owners before the first commit would skip what came in between.
func storedStart(position, end uint64) startPoint {
	s := startPoint{position: position, logEnd: end}
	if position > 0 {
		s.prefix, s.hasPrefix, s.storePrefix = position-1, true, true
	}
	return s
}

// start is where to begin at p, given where the log ends; false for Stored.
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
