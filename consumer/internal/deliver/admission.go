package deliver

import (
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// decodedAtOnce is how many messages are decoded in one chunk, during which the queue decodes no
// others.
const decodedAtOnce = 128

// decompressedAtOnce is how many bytes the payloads of a chunk may have when they are decompressed,
// unless one alone has more.
const decompressedAtOnce = 256 << 10

// admission takes messages from the prefetch buffer, has them decoded, and adds them to the
// assignment. Messages that are due for redelivery are decoded again in the same way.
type admission struct {
	assignment *assignment
	redelivery *redelivery
	buffer     []*Batch
	chunk      *chunk // is being decoded
	spare      *chunk // to be reused
	parked     parkedWait
}

// chunk is messages that are decoded together, without the queue's lock: new ones, or ones that are
// due for redelivery.
type chunk struct {
	batch     *Batch
	raw       []wire.Message
	due       []*Message
	reserved  int   // bytes, for those that are compressed
	since     int64 // when it was taken, in nanoseconds since the epoch
	discarded bool  // its messages are not admitted: see discard
	decoded   []*Message
	errs      []error       // of due
	err       error         // of a decoder that panicked or ended its goroutine
	done      chan struct{} // holds a token when the goroutine that decodes has ended
}

// reset prepares the chunk to be reused.
func (c *chunk) reset() {
	clear(c.decoded)
	*c = chunk{decoded: c.decoded[:0], done: c.done}
}

// Limit is why a queue admits nothing new from its prefetch buffer.
type Limit uint8

const (
	// LimitNone means that the queue admits messages, or that its buffer is empty.
	LimitNone Limit = iota
	// LimitOrphans means that messages of a former assignment are still in flight.
	LimitOrphans
	// LimitWaiting means that no more messages may wait for redelivery.
	LimitWaiting
	// LimitUncommitted means that no more messages may be admitted beyond the committed offset.
	LimitUncommitted
	// LimitDecompressed means that there is no room to decompress more.
	LimitDecompressed
	// LimitParked means that the first message is a parked one that does not leave its partition yet.
	LimitParked
)

// accepts reports whether new messages are accepted: not when the queue drains, unless messages are
// acknowledged before they are handled, since nobody else would get those.
func (n *admission) accepts() bool {
	a := n.assignment
	return a.phase == PhaseActive || a.phase == PhaseDraining && a.queue.pool.onPoll()
}

// offer adds a batch to the buffer and reports whether it was accepted.
func (n *admission) offer(b *Batch) bool {
	a := n.assignment
	if a.queue.pool.onPoll() {
		b.keep() // its messages are settled before they are delivered
	}
	if b.open == 0 || !n.accepts() {
		if a.phase != PhaseLost {
			a.releaseBatch(b, b.open)
		}
		return false
	}
	n.buffer = append(n.buffer, b)
	a.queue.buffered.add(1, len(b.messages), b.bytes)
	return true
}

// mayDecode reports whether there are messages that may be decoded.
func (n *admission) mayDecode() bool {
	return n.mayDecodeDue() || n.chunk == nil && !n.assignment.limits.decompressed.Waiting() && n.mayAdmit()
}

// mayDecodeDue is mayDecode for messages that are due for redelivery.
func (n *admission) mayDecodeDue() bool {
	return n.redelivery.due.length > 0 && n.chunk == nil && !n.assignment.limits.decompressed.Waiting()
}

// mayAdmit reports whether messages may be taken from the buffer.
func (n *admission) mayAdmit() bool {
	if len(n.buffer) == 0 || !n.accepts() {
		return false
	}
	a := n.assignment
	switch n.limit() {
	case LimitNone:
		return true
	case LimitUncommitted:
		if a.queue.pool.stores() && a.tracker.FirstOpen() > a.queue.progress.Committed() {
			a.advance()
			a.queue.progress.Request()
		}
	case LimitParked:
		n.awaitFirst()
	}
	return false
}

// limit returns why nothing may be admitted; LimitNone when something may.
func (n *admission) limit() Limit {
	a := n.assignment
	switch {
	case a.queue.partition.orphans.Load() > 0:
		return LimitOrphans
	case a.waiting() > 0 && !(a.limits.waiting.HasRoom() && a.limits.waitingBytes.HasRoom()):
		return LimitWaiting
	case n.admissible() <= 0:
		return LimitUncommitted
	case a.queue.parked() && time.Until(n.leaves()) > 0:
		return LimitParked
	}
	return LimitNone
}

// admissible returns how many more messages may be admitted. It bounds the duplicates after a
// crash: at most max_in_flight + commit_every + the waiting messages are admitted beyond the
// committed offset. Where messages are acknowledged before they are handled, it bounds those that a
// crash loses, and commit_every does not count.
func (n *admission) admissible() int {
	a := n.assignment
	p := a.queue.pool
	base := a.tracker.FirstOpen()
	if p.stores() {
		base = min(base, a.queue.progress.Committed())
	}
	most := p.cfg.MaxInFlight + a.waiting()
	if !p.onPoll() {
		most += p.commitEvery
	}
	return most - int(a.tracker.Tail()-base)
}

// next takes up to most messages to be decoded: those that are due first. It returns nil when there
// is none, or no room to decompress it.
func (n *admission) next(most int) *chunk {
	if !n.mayDecode() {
		return nil
	}
	c := n.spare
	if c == nil {
		c = &chunk{done: make(chan struct{}, 1)}
	}
	if n.redelivery.due.length > 0 {
		n.takeDue(c)
	} else {
		n.takeNew(c, most)
	}
	if len(c.due) == 0 && len(c.raw) == 0 {
		c.reset()
		n.spare = c
		return nil
	}
	c.since = time.Now().UnixNano()
	n.chunk, n.spare = c, nil
	return c
}

// takeDue takes messages that are due, as many as are not compressed, or one that is.
func (n *admission) takeDue(c *chunk) {
	for len(c.due) < decodedAtOnce && n.redelivery.due.length > 0 && c.reserved == 0 {
		if m := n.redelivery.due.first; Compressed(m.Raw) {
			if len(c.due) > 0 {
				break
			}
			if c.reserved = n.reserve(m.Raw); c.reserved == 0 {
				return
			}
		}
		c.due = append(c.due, n.redelivery.due.pop())
	}
	c.errs = make([]error, len(c.due))
}

// takeNew takes messages from the buffer, as many as are not compressed, or some that are.
func (n *admission) takeNew(c *chunk, most int) {
	b := n.buffer[0]
	most = min(most, decodedAtOnce, len(b.messages), n.admissible())
	most = n.leaving(b.messages[:max(most, 0)])
	k := 0
	for k < most && !Compressed(&b.messages[k]) {
		k++
	}
	if k == 0 && most > 0 {
		if k = n.reserveSome(c, b.messages[:most]); k == 0 {
			return
		}
	}
	c.batch, c.raw = b, b.messages[:k:k]
	a := n.assignment
	if b.messages = b.messages[k:]; len(b.messages) > 0 {
		a.queue.buffered.add(0, -k, 0)
		return
	}
	n.buffer[0] = nil
	n.buffer = n.buffer[1:]
	a.queue.buffered.add(-1, -k, -b.bytes)
	a.after.batchAdmitted = true
}

// reserve takes room to decompress a message; 0 when there is none.
func (n *admission) reserve(m *wire.Message) int {
	want, _ := n.decompressedSize(m)
	return n.assignment.limits.decompressed.Take(want, want)
}

// reserveSome takes room to decompress the first of the messages and those that follow it, as far as
// their sizes are sure and there is room. It returns how many these are.
func (n *admission) reserveSome(c *chunk, messages []wire.Message) int {
	least, sure := n.decompressedSize(&messages[0])
	want, k := least, 1
	for sure && k < len(messages) && Compressed(&messages[k]) {
		var size int
		if size, sure = n.decompressedSize(&messages[k]); !sure || want+size > decompressedAtOnce {
			break
		}
		want, k = want+size, k+1
	}
	quota := n.assignment.limits.decompressed
	got := quota.Take(want, least)
	if got == 0 {
		return 0
	}
	for want > got {
		k--
		size, _ := n.decompressedSize(&messages[k])
		want -= size
	}
	quota.Give(got - want)
	c.reserved = want
	return k
}

// decompressedSize returns the room that a message needs to be decompressed. sure tells that it takes
// no more than that, whatever it declares.
func (n *admission) decompressedSize(m *wire.Message) (size int, sure bool) {
	name, _ := ContentEncoding(m) // a malformed one fails when it is decoded
	if size, sure = encoding.Bound(name, m.Payload); !sure {
		size = encoding.Size(name, m.Payload)
	}
	// One whose size is not known takes a byte, so that the queue does not seem to be empty.
	return max(1, min(size, int(n.assignment.queue.pool.cfg.MaxDecompressedBytes))), sure
}

// enter admits the messages of a chunk that was decoded.
func (n *admission) enter(c *chunk) {
	a := n.assignment
	if c.reserved > 0 {
		a.limits.decompressed.Give(c.reserved - decompressed(c.decoded) - decompressed(c.due))
	}
	n.chunk = nil
	switch {
	case a.phase == PhaseLost:
	case c.due != nil:
		n.redelivery.decoded(c.due, c.errs)
	case c.discarded:
		// They were not delivered, and are read again.
		a.releaseBatch(c.batch, len(c.raw))
		for _, m := range c.decoded {
			a.limits.decompressed.Give(m.Decompressed)
		}
	default:
		for _, m := range c.decoded {
			a.admit(m, c.batch, c.since)
		}
	}
	c.reset()
	n.spare = c
}

// decompressed returns how many bytes messages have that were compressed.
func decompressed(messages []*Message) (bytes int) {
	for _, m := range messages {
		bytes += m.Decompressed
	}
	return bytes
}

// discard forgets what was read and not admitted, and calls forget with the offsets.
func (n *admission) discard(forget func(offset uint64)) {
	a := n.assignment
	if c := n.chunk; c != nil && c.due == nil {
		// Also if the queue resumes before they are decoded: those before them may be read again,
		// too.
		c.discarded = true
		forget(c.raw[0].Offset)
	}
	for _, b := range n.buffer {
		forget(b.messages[0].Offset)
		a.queue.buffered.add(-1, -len(b.messages), -b.bytes)
		a.releaseBatch(b, len(b.messages))
	}
	n.buffer = nil
	n.parked.known = false
}

// stop forgets the buffer: the queue is lost, and its owner gives back the memory of the buffer.
func (n *admission) stop() {
	b := &n.assignment.queue.buffered
	b.add(-len(n.buffer), -int(b.messages.Load()), -int(b.bytes.Load()))
	n.buffer = nil
	n.parked.stop()
}

// first is the offset of the first message in the buffer; false when there is none.
func (n *admission) first() (offset uint64, ok bool) {
	if len(n.buffer) == 0 {
		return 0, false
	}
	return n.buffer[0].messages[0].Offset, true
}
