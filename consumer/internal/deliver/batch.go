package deliver

import "github.com/fetchbox/fetchbox-iggy/internal/wire"

// Batch is what one poll brought. Its memory is held, and counted, until the last of its messages
// is settled. After it was offered it belongs to the queue, whose lock guards it.
type Batch struct {
	messages []wire.Message // not yet admitted
	bytes    int
	open     int // messages that are not settled
	recycle  func()
	recycled bool
	release  func()
	next     *Batch // another one that was released, see actions
}

// NewBatch makes a batch of messages that take up bytes. recycle gives the memory of the payloads
// back to be used again; nil means that it is not. It is called when the last message is settled,
// unless someone keeps a payload. The headers must not lie in that memory: they stay readable for
// as long as there is a message. release gives the bytes back. It is called after recycle, without
// a lock, and not at all once the queue is lost.
func NewBatch(messages []wire.Message, bytes int, recycle, release func()) *Batch {
	return &Batch{messages: messages, bytes: bytes, open: len(messages), recycle: recycle, release: release}
}

// keep leaves the payloads to whoever has them, for good. The queue's lock is held.
func (b *Batch) keep() {
	if b != nil {
		b.recycle = nil
	}
}

// settled takes n settled messages off and tells whether none is left: then the memory is given
// back, see actions. The queue's lock is held.
func (b *Batch) settled(n int) bool {
	if b.open -= n; b.open > 0 {
		return false
	}
	b.recycled = b.recycle != nil
	return true
}
