package consumer

import (
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// handleResult processes an answer: it moves the position and adds the messages to the prefetch
// buffer. p.mu is held.
func (f *fetcher) handleResult(p *partition, req pollRequest, polled *transport.Polled, r *pollResult) {
	p.nextPollAt, p.refusalLogged = time.Time{}, false
	if p.phase != phaseActive && (p.phase != phaseDraining || !f.e.ackOnPoll) || p.positionChanged(req) {
		f.e.prefetch.adjust(&p.prefetchShare, req.reserved, amount{})
		if len(polled.Messages) > 0 && p.phase != phaseLost {
			p.polledEnd = polled.Messages[len(polled.Messages)-1].Offset + 1
		}
		return
	}
	p.history.maxCount = min(2*p.history.maxCount, f.e.cfg.BatchSize)
	if len(polled.Messages) == 0 {
		f.e.prefetch.adjust(&p.prefetchShare, req.reserved, amount{})
		f.handleEmpty(p, polled)
		return
	}
	raw := polled.Messages
	last := raw[len(raw)-1].Offset
	p.polledEnd = last + 1
	if first := raw[0].Offset; p.firstPoll == nil && !p.anyFirstOffset && first != p.position {
		if !p.handleGap(first) {
			f.e.prefetch.adjust(&p.prefetchShare, req.reserved, amount{})
			return
		}
	}
	p.firstPoll, p.anyFirstOffset = nil, false
	p.history.averageSize = max(wire.MessageHeaderSize, (p.history.averageSize+3*r.neededBytes/len(raw))/4)
	p.counters.polls++
	p.counters.fetched += int64(len(raw))
	p.counters.bytes += int64(r.encodedBytes)
	p.skipHandled(r)
	if r.unsettled > 0 {
		f.e.prefetch.adjust(&p.prefetchShare, req.reserved, amount{messages: r.unsettled, bytes: r.heldBytes})
		p.buffer = append(p.buffer, r)
		p.buffered += r.unsettled
	} else {
		f.e.prefetch.adjust(&p.prefetchShare, req.reserved, amount{})
	}
	p.position = last + 1
	p.logEnd = max(polled.CurrentOffset+1, p.position)
	p.mayHaveMore = p.position < p.logEnd
	select {
	case f.arrivals <- struct{}{}:
	default:
	}
}

// skipHandled drops the leading messages of r that were handled before. p.mu is held.
func (p *partition) skipHandled(r *pollResult) {
	n := 0
	for n < len(r.remaining) && p.skip.covers(&r.remaining[n]) {
		n++
	}
	r.remaining = r.remaining[n:]
	if r.unsettled -= n; r.unsettled > 0 {
		p.skip = skipRange{} // no handled messages follow
	}
}

// positionChanged reports whether the position changed while the poll was under way. p.mu is held.
func (p *partition) positionChanged(req pollRequest) bool {
	return p.firstPoll == nil && req.strategy.Kind == transport.FromOffset && req.strategy.Value != p.position
}

// handleEmpty processes an empty answer: the end of the log is reached, or the partition or its log
// has changed. p.mu is held.
func (f *fetcher) handleEmpty(p *partition, polled *transport.Polled) {
	p.mayHaveMore = false
	if p.firstPoll != nil {
		return // no message is stored at that time yet
	}
	switch {
	case f.e.grouped && polled.Partition != p.id:
		// The partition is not assigned to this member, which the server does not say.
		p.needsVerify = true
	case polled.CurrentOffset+1 < p.position, polled.CurrentOffset+1 < p.logEnd:
		// Partition 0 as a member without partitions sees it, or a truncated log.
		p.needsVerify = p.position > 0 || p.logEnd > 1
	case polled.CurrentOffset >= p.position && polled.CurrentOffset > 0:
		// Announced but not readable yet.
		p.mayHaveMore = true
		p.nextPollAt = time.Now().Add(f.e.cfg.PollIntervalMin)
	default:
		p.logEnd = max(p.logEnd, p.position)
	}
	if p.needsVerify {
		f.e.wakeMembership()
	}
}
