package producer

import "slices"

// withdrawer is a resultSink that can withdraw its messages until they are sent. Its methods are
// called under the lock of the message's partition.
type withdrawer interface {
	resultSink
	// setPosition tells where the message is.
	setPosition(index uint32, at position)
	// setIndex tells the message's new index in its batch.
	setIndex(index uint32, to int)
	// clearPosition tells that the message can't be withdrawn any more.
	clearPosition(index uint32)
}

// position is where a message is that was not sent yet. partition does not change; its lock guards
// the other fields.
type position struct {
	partition *partition
	batch     *batch // nil when the message can't be withdrawn any more
	index     int
}

// withdraw withdraws the message and releases its room. It returns false when the message can't be
// withdrawn any more.
func (pos *position) withdraw() bool {
	p := pos.partition
	if p == nil {
		return false
	}
	p.queue.mu.Lock()
	b := pos.batch
	if b == nil {
		p.queue.mu.Unlock()
		return false
	}
	pos.batch = nil
	size := len(b.wire.Encoded(pos.index))
	b.messages[pos.index].withdrawn = true
	b.withdrawals++
	b.withdrawn += size
	b.withdrawers--
	p.topic.producer.limit.release(int64(size), 1)
	empty := p.queue.compact(b)
	p.queue.mu.Unlock()
	if empty {
		p.queue.wakeSender()
		p.completeUnsent(b)
	}
	return true
}

// compact removes the withdrawn messages from b when they are half of it: a batch may wait for long
// for a server that does not answer, and its memory counts, too. Removing each message at once
// costs more than it saves. empty reports that no message is left; then b has left the queue and
// the caller must complete it. q.mu is held.
func (q *batchQueue) compact(b *batch) (empty bool) {
	if 2*b.withdrawals < b.len() && 2*b.withdrawn < b.wire.Size() {
		return false
	}
	at := slices.Index(q.queued, b)
	if at < 0 && b != q.open {
		return false // the partition was closed, and b is about to fail
	}
	b.dropWithdrawn()
	if b.len() > 0 {
		for i := range b.messages {
			if m := &b.messages[i]; m.withdrawable {
				m.sink.(withdrawer).setIndex(m.index, i)
			}
		}
		q.producer.memory.putChunks(b, len(b.wire.Chunks()))
		return false
	}
	if b == q.open {
		q.open = nil
	} else {
		q.queued = slices.Delete(q.queued, at, at+1)
	}
	q.markAwake(true) // it may wait for what b needed
	return true
}

// closeWithdrawals removes the withdrawn messages of b. The others can't be withdrawn any more.
// q.mu is held.
func (q *batchQueue) closeWithdrawals(b *batch) {
	if b.withdrawers > 0 {
		for i := range b.messages {
			if m := &b.messages[i]; m.withdrawable && !m.withdrawn {
				m.sink.(withdrawer).clearPosition(m.index)
			}
		}
		b.withdrawers = 0
	}
	if b.withdrawals > 0 {
		b.dropWithdrawn()
	}
}

// dropWithdrawn removes the withdrawn messages, whose room was released before.
func (b *batch) dropWithdrawn() {
	b.keep(func(i int) bool { return !b.messages[i].withdrawn })
	b.withdrawals, b.withdrawn = 0, 0
}
