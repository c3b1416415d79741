package fetch

import (
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// place is where a cursor is in the log. It is guarded by the cursor's lock.
type place struct {
	position  uint64    // the next offset to offer to the queue
	next      uint64    // the offset of the next poll: position, and what the polls in flight are expected to return
	byTime    byTime    // in place of next, where it is on
	anyOffset bool      // the next message may have any offset: that is no gap
	end       uint64    // the offset after the log's last message, as far as known
	more      bool      // there may be messages to read
	announced time.Time // since when the next message is announced and not readable; zero: it is not
	polled    uint64    // the offset after the last message that the server returned, or more; 0: none
}

func newPlace(s Start, purged Purged) place {
	if s.ByTime && purged.saved() {
		// What was saved after a purge can't be read by time, and offsets began at 0 with the
		// purge.
		s.ByTime, s.Position = false, 0
	}
	return place{
		position: s.Position, next: s.Position, byTime: newByTime(s, purged), anyOffset: s.AnyOffset,
		end: s.End, more: s.ByTime || s.End > s.Position,
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
	p.more = p.byTime.begins || end > p.position
}

// advance moves the place behind the messages of an answer.
func (p *place) advance(polled *transport.Polled) {
	p.anyOffset, p.announced = false, time.Time{}
	p.position = polled.Messages[len(polled.Messages)-1].Offset + 1
	p.end = max(polled.CurrentOffset+1, p.position)
	p.more = p.position < p.end
}

// setByTime continues by time behind an answer.
func (p *place) setByTime(t byTime) {
	if p.byTime.begins && !t.begins {
		p.position, p.next, p.anyOffset = t.first, t.first, false
	}
	p.byTime = t
}

// waited returns for how long the next message has been announced and not readable.
func (p *place) waited(now time.Time) time.Duration {
	if p.announced.IsZero() {
		p.announced = now
	}
	return now.Sub(p.announced)
}

// readFrom moves the place to an offset that was read.
func (p *place) readFrom(offset uint64) {
	p.position = min(p.position, offset)
	p.next, p.more = p.position, true
	p.byTime.readFrom(p.position)
}
