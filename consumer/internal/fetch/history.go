package fetch

import (
	"sync"
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// History is what a consumer remembers of a partition across its assignments. Its methods are safe
// for concurrent use.
type History struct {
	mu    sync.Mutex
	place Remembered
	sizes sizes

	unreadable unreadable
}

// unreadable is a message whose answer can't be decoded. It is not asked for until a time, since
// each attempt costs the connection.
type unreadable struct {
	offset uint64
	until  time.Time
}

// unreadablePause is for how long a message is not asked for whose answer can't be decoded.
const unreadablePause = time.Minute

// Remembered is what is known of a partition's progress.
type Remembered struct {
	// Committed is the offset that this consumer stored last, or found stored, and CommittedTime
	// the server's time of that message; 0: not known.
	Committed     uint64
	HasCommitted  bool
	CommittedTime uint64
	// Next is the offset after the prefix that was acknowledged here, and Timestamp the server's
	// time of the message before it; 0: not known. What was acknowledged and not committed before a
	// connection ended is not delivered again if the log is still the same.
	Next      uint64
	HasNext   bool
	Timestamp uint64
	// Truncated tells that the log was truncated and the stored offset means nothing until an
	// offset is stored again.
	Truncated bool
	// Purged are the purged messages that the server returned.
	Purged Purged
	// Before is what precedes the first message that was ever read here. Its Timestamp is 0 while
	// there was none.
	Before Handled
}

// SetCommitted notes an offset that is stored, and the time of its message; 0: not known.
func (r *Remembered) SetCommitted(offset, timestamp uint64) {
	if timestamp == 0 && offset == r.Committed {
		timestamp = r.CommittedTime
	}
	r.Committed, r.HasCommitted, r.CommittedTime = offset, true, timestamp
}

// toCommitted forgets what was acknowledged after the committed offset.
func (r *Remembered) toCommitted() {
	r.Next, r.HasNext, r.Timestamp = r.Committed+1, true, r.CommittedTime
}

// Handled are messages that precede those to be read: the ones up to a time, by the server's clock
// in microseconds, below an offset.
type Handled struct{ Timestamp, Below uint64 }

// covers tells whether m is one of them.
func (h Handled) covers(m *wire.Message) bool {
	return m.Timestamp <= h.Timestamp && m.Offset < h.Below
}

// NewHistory makes the history of a partition that was never assigned.
func NewHistory(batchSize int) *History {
	return &History{sizes: sizes{limit: batchSize}}
}

// remembered returns what is known.
func (h *History) remembered() Remembered {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.place
}

// Update changes what is known by f, which must be quick and must not call h.
func (h *History) Update(f func(*Remembered)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.place)
}

// Stored notes an offset that was stored from here, and the time of its message; 0: not known.
func (h *History) Stored(offset, timestamp uint64) {
	h.Update(func(r *Remembered) {
		r.SetCommitted(offset, timestamp)
		r.Truncated = false
	})
}

// first notes the first message that was ever read.
func (h *History) first(m *wire.Message) {
	h.Update(func(r *Remembered) {
		if r.Before.Timestamp == 0 {
			r.Before = Handled{Timestamp: m.Timestamp, Below: m.Offset}
		}
	})
}

// purged notes the purged messages that the server returns.
func (h *History) purged(p Purged) {
	if p.Timestamp != 0 {
		h.Update(func(r *Remembered) { r.Purged = p })
	}
}

// saved notes that the server has saved messages after a purge, before which messages had times up
// to that one; 0: not known.
func (h *History) saved(timestamp uint64) {
	h.Update(func(r *Remembered) { r.Purged = Purged{Timestamp: max(r.Purged.Timestamp, timestamp)} })
}

// setUnreadable notes that the answer with a message can't be decoded.
func (h *History) setUnreadable(offset uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unreadable = unreadable{offset, time.Now().Add(unreadablePause)}
}

// isUnreadable reports whether a message is not to be asked for, since its answer can't be decoded.
func (h *History) isUnreadable(offset uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.unreadable.offset == offset && time.Now().Before(h.unreadable.until)
}
