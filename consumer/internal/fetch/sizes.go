package fetch

import "github.com/fetchbox/fetchbox-iggy/internal/wire"

// sizes are the learned sizes of polls.
type sizes struct {
	average int // of a message, in bytes; 0: none was read
	// limit is how many messages a poll may ask for. It shrinks after an answer that did not come in
	// time or could not be read, and doubles with each other one.
	limit int
}

// Before a message was read, the assumed size is initialAverage bytes, and a poll asks for at most
// initialCount messages: the server returns as many as a poll asks for, however large they are.
const (
	initialAverage = 1 << 10
	initialCount   = 16
)

// learned returns the average size of a message and how many messages a poll may ask for.
func (h *History) learned() (average, limit int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sizes.average == 0 {
		return initialAverage, min(h.sizes.limit, initialCount)
	}
	return h.sizes.average, h.sizes.limit
}

// learn notes the average size of the messages of an answer.
func (h *History) learn(size int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sizes.average > 0 {
		size = (h.sizes.average + 3*size) / 4
	}
	h.sizes.average = max(wire.MessageHeaderSize, size)
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
