package fetch

import (
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// place is where a cursor is in the log. It is guarded by the cursor's lock.
type place struct {
	position  uint64              // the next offset to offer to the queue
	next      uint64              // the offset of the next poll: position, and what the polls in flight are expected to return
	strategy  *transport.Strategy // of the first poll, in place of next
	handled   Handled             // messages that are skipped where the first poll begins
	anyOffset bool                // the next message may have any offset: that is no gap
	end       uint64              // the offset after the log's last message, as far as known
	more      bool                // there may be messages to read
	announced time.Time           // since when the next message is announced and not readable; zero: it is not
	polled    uint64              // the offset after the last message that the server returned, or more; 0: none
}

func newPlace(s Start) place {
	return place{
		position: s.Position, next: s.Position, strategy: s.Strategy, handled: s.Handled, anyOffset: s.AnyOffset,
		end: s.End, more: s.Strategy != nil || s.End > s.Position,
	}
}

// extend sets the end of the log, unless a later one is known.
func (p *place) extend(end uint64) {
	if end > p.end {
		p.end, p.more = end, true
	}
}

// restart continues at the position in a log that ends at end, after the position was verified.
func (p *place) restart(end uint64) {
	p.next = p.position
	p.end = max(end, p.position)
	p.more = p.strategy != nil || end > p.position
}

// advance moves the place behind the messages of an answer.
func (p *place) advance(polled *transport.Polled) {
	p.strategy, p.anyOffset, p.announced = nil, false, time.Time{}
	p.position = polled.Messages[len(polled.Messages)-1].Offset + 1
	p.end = max(polled.CurrentOffset+1, p.position)
	p.more = p.position < p.end
}

// waited returns for how long the next message has been announced and not readable.
func (p *place) waited(now time.Time) time.Duration {
	if p.announced.IsZero() {
		p.announced = now
	}
	return now.Sub(p.announced)
}

// skipHandled removes the messages that were handled before from the start of b.
func (p *place) skipHandled(b *Batch) {
	if p.handled == (Handled{}) {
		return
	}
	n := 0
	for n < len(b.Messages) && p.handled.covers(&b.Messages[n]) {
		n++
	}
	if b.Messages = b.Messages[n:]; len(b.Messages) > 0 {
		p.handled = Handled{} // the others are behind
	}
}
