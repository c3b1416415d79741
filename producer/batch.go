package producer

import (
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// pendingMessage is what a batch knows of a message beside its bytes.
type pendingMessage struct {
	sink         resultSink // nil when nobody wants the result
	accepted     int64      // by the producer's clock
	hash         uint32     // of the key
	index        uint32     // of the message in sink
	routing      routing
	withdrawable bool // sink is a withdrawer
	direct       bool // the caller may send it itself
	withdrawn    bool
}

// batch is a run of messages of one partition. It is first open, then queued, then in flight, until
// each message has its outcome. The partition's lock guards an open or queued batch. The
// partition's sender owns a batch in flight.
type batch struct {
	wire     wire.Batch
	messages []pendingMessage
	epoch    *epoch

	chunks []*chunk // the memory of wire
	slots  *slots   // the memory of messages

	withdrawals int // withdrawn messages that are still in the batch
	withdrawn   int // bytes of these messages
	withdrawers int // messages that may still be withdrawn

	skipLinger   bool // send it without waiting for more messages
	hasCallbacks bool // some of its sinks are callbacks

	attempts    int
	maybeStored bool  // an attempt may have stored the messages
	lastErr     error // of the last attempt
	directErr   error // of an attempt by a caller, not handled by the sender yet

	flushes []*flush
}

func (b *batch) len() int { return len(b.messages) }

// hasSize reports whether b has the configured size: it does not linger, also where it may become larger.
func (b *batch) hasSize(cfg *config.Producer) bool {
	return b.len() >= cfg.MaxBatchMessages || b.wire.Size() >= int(cfg.MaxBatchBytes)
}

// deadline is when the oldest message must have its outcome.
func (b *batch) deadline(timeout time.Duration) int64 { return b.messages[0].accepted + int64(timeout) }

// outcome is the outcome of messages that fail now.
func (b *batch) outcome() Outcome {
	if b.maybeStored {
		return Unknown
	}
	return Failed
}

// keep removes the messages for which keep is false. It releases neither their room nor their
// memory.
func (b *batch) keep(keep func(i int) bool) {
	b.wire.Keep(keep)
	kept := b.messages[:0]
	for i := range b.messages {
		if keep(i) {
			kept = append(kept, b.messages[i])
		}
	}
	clear(b.messages[len(kept):])
	b.messages = kept
}
