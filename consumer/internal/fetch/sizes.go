package fetch

import "github.com/fetchbox/fetchbox-iggy/internal/wire"

// sizes are the learned sizes of polls.
type sizes struct {
	average int // of a message, in bytes
	limit   int // messages that a poll may ask for: fewer after answers that did not come in time or could not be read, then doubled with each that does
}

// initialAverage is the assumed size of a message, in bytes, before one was read.
const initialAverage = 1 << 10

// learned returns the average size of a message and how many messages a poll may ask for.
func (h *History) learned() (average, limit int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sizes.average, h.sizes.limit
}

// learn notes the average size of the messages of an answer.
func (h *History) learn(size int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sizes.average = max(wire.MessageHeaderSize, (h.sizes.average+3*size)/4)
}

// grow doubles how many messages a poll may ask for.
func (h *History) grow(batchSize int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sizes.limit = min(2*h.sizes.limit, batchSize)
}

// shrink limits polls to an eighth of count, which one asked for whose answer did not come in time
// or could not be read.
func (h *History) shrink(count int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sizes.limit = max(1, min(count, h.sizes.limit)/8)
}

// shrinkTo limits polls to limit messages.
func (h *History) shrinkTo(limit int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sizes.limit = limit
}
