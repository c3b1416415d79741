package fetch

import (
	"sync"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// History is what a consumer remembers of a partition across its assignments.
// Its methods are safe for concurrent use.
type History struct {
	mu    sync.Mutex
	place Remembered
	sizes sizes

	// unreadable is the offset after a message whose answer by time could not
	// be understood.
	unreadable atomic.Uint64
}

// Remembered is what is known of a partition's progress.
type Remembered struct {
	// Committed is the offset that this consumer stored last, or found stored.
	Committed    uint64
	HasCommitted bool
	// Next is the offset after the prefix that was acknowledged here, and
	// Timestamp the server's time of the message before it; 0: not known. What
	// was acknowledged and not committed before a connection ended is not
	// delivered again if the log is still the same.
	Next      uint64
	HasNext   bool
	Timestamp uint64
	// Truncated tells that the log was truncated and the stored offset means
	// nothing until an offset is stored again.
	Truncated bool
	// Before is what precedes the first message that was ever read here. Its
	// Timestamp is 0 while there was none.
	Before Handled
}

// Handled are messages that precede those to be read: the ones of a time, by
// the server's clock in microseconds, below an offset.
type Handled struct{ Timestamp, Below uint64 }

// covers tells whether m is one of them.
func (h Handled) covers(m *wire.Message) bool {
	return m.Timestamp == h.Timestamp && m.Offset < h.Below
}

// NewHistory makes the history of a partition that was never assigned.
func NewHistory(batchSize int) *History {
	return &History{sizes: sizes{average: initialAverage, limit: batchSize}}
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

// Stored notes an offset that was stored from here.
func (h *History) Stored(offset uint64) {
	h.Update(func(r *Remembered) { r.Committed, r.HasCommitted, r.Truncated = offset, true, false })
}

// first notes the first message that was ever read.
func (h *History) first(m *wire.Message) {
	h.Update(func(r *Remembered) {
		if r.Before.Timestamp == 0 {
			r.Before = Handled{Timestamp: m.Timestamp, Below: m.Offset}
		}
	})
}
