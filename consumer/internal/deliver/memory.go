package deliver

import "github.com/fetchbox/fetchbox-iggy/internal/wire"

// Batch is the messages of one poll and their memory. The memory counts for the limit on prefetched
// bytes until the last message is settled. Then recycle makes it available to later polls, unless
// the application has a payload, and release gives back the bytes. A batch that was offered belongs
// to its queue, whose lock guards it.
type Batch struct {
	messages []wire.Message // not yet admitted
	bytes    int
	open     int // messages that are not settled
	recycle  func()
	recycled bool
	release  func()
	next     *Batch // another one that was released, see actions
}

// NewBatch returns a batch of messages whose memory is bytes long. recycle makes the memory of the
// payloads available to later polls; nil means that it is not reused. The headers must not be in
// that memory: they stay readable for as long as there is a message. Both functions are called
// without a lock, release after recycle, and neither is called once the queue is lost.
func NewBatch(messages []wire.Message, bytes int, recycle, release func()) *Batch {
	return &Batch{messages: messages, bytes: bytes, open: len(messages), recycle: recycle, release: release}
}

// keep has the memory of the payloads not reused: the application, or a dead letter, has one. The
// queue's lock is held.
func (b *Batch) keep() {
	if b != nil {
		b.recycle = nil
	}
}

// settled notes that n messages are settled, and reports whether none is left: then the memory is
// given back, see actions. The queue's lock is held.
func (b *Batch) settled(n int) bool {
	if b.open -= n; b.open > 0 {
		return false
	}
	b.recycled = b.recycle != nil
	return true
}

// releaseMemory gives back the memory of m: its part of a batch, and that of its decompressed
// payload.
func (a *assignment) releaseMemory(m *Message) {
	if m.batch != nil {
		a.releaseBatch(m.batch, 1)
	}
	if m.Decompressed > 0 {
		a.limits.decompressed.Give(m.Decompressed)
		m.Decompressed = 0
	}
}

// releaseBatch gives back the part of n messages in a batch.
func (a *assignment) releaseBatch(b *Batch, n int) {
	if b.settled(n) {
		a.after.release(b)
	}
}

// clone copies a message into memory of its own, since it waits long and its batch should not.
func clone(m *wire.Message) *wire.Message {
	c := *m
	own := make([]byte, 0, size(m))
	own = append(own, m.Payload...)
	own = append(own, m.Headers...)
	n := len(m.Payload)
	c.Payload = own[:n:n]
	if c.Headers = nil; len(m.Headers) > 0 {
		c.Headers = own[n:]
	}
	return &c
}
