package producer

import (
	"sync"
	"sync/atomic"

	"github.com/fetchbox/fetchbox-iggy/internal/link"
)

// partition is the queue of one topic partition and its sender. The open batch fills until it is
// full or the sender takes it. Full batches wait in the queue. One batch at a time is in flight.
//
// The queue is bounded by bufferLimit, where each message reserves its room first.
type partition struct {
	topic   *topicState
	id      uint32
	link    *link.Link
	deleted atomic.Bool // the topic does not have the partition any more

	mu               sync.Mutex
	epoch            *epoch
	open             *batch
	queue            []*batch
	inFlight         *batch
	senderState      senderState
	started          bool // the sender was started
	closed           bool // the sender has ended, or will never run
	directSend       bool // a caller sends its message itself; the sender waits
	expectedBytes    int  // estimated size of the next batch, from the last ones
	expectedMessages int

	wake chan struct{} // a token for the waiting sender
}

func newPartition(t *topicState, id uint32, e *epoch) *partition {
	return &partition{
		topic: t, id: id, link: t.producer.linkFor(t, id), epoch: e,
		wake: make(chan struct{}, 1),
	}
}
