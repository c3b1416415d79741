package producer

import "slices"

// withdrawer is a settler that may take its messages back until they are sent.
// Its methods are called under the lock of the message's partition.
type withdrawer interface {
	settler
	// placed says where the message waits.
	placed(index uint32, at place)
	// moved says at which index of its batch it waits from now on.
	moved(index uint32, to int)
	// taken says that it is too late to withdraw the message.
	taken(index uint32)
}

// place is a message in a batch that was not sent yet. The partition stays the same; its lock guards the rest.
type place struct {
	partition *partition
	batch     *batch // nil when it is too late
	index     int
}

// withdraw takes the message back and gives its room to others; false when it is too late.
func (at *place) withdraw() bool {
	p := at.partition
	if p == nil {
		return false
	}
	p.mu.Lock()
	b := at.batch
	if b == nil {
		p.mu.Unlock()
		return false
	}
	at.batch = nil
	size := len(b.wire.Encoded(at.index))
	b.messages[at.index].withdrawn = true
	b.withdrawals++
	b.withdrawn += size
	b.withdrawers--
	p.topic.producer.ceiling.leave(int64(size), 1)
	empty := p.compact(b)
	p.mu.Unlock()
	if empty {
		p.signal()
		p.release(b)
	}
	return true
}

// compact drops what was withdrawn from b when that is half of it: a batch may wait for long behind a
// server that does not answer, and its memory counts, too. To move the rest each time would cost
// more than it gives. It reports an empty batch, which has left the queue and is to be released.
// p.mu is held.
func (p *partition) compact(b *batch) (empty bool) {
	if 2*b.withdrawals < b.len() && 2*b.withdrawn < b.wire.Size() {
		return false
	}
	at := slices.Index(p.queue, b)
	if at < 0 && b != p.open {
		return false // the partition was shut, and b is about to be given up
	}
	b.dropWithdrawn()
	if b.len() > 0 {
		for i := range b.messages {
			if rec := &b.messages[i]; rec.withdraws {
				rec.sink.(withdrawer).moved(rec.index, i)
			}
		}
		before := b.memory
		p.topic.producer.fit(b)
		if b == p.open {
			p.topic.producer.ceiling.open.Add(b.memory - before)
		}
		return false
	}
	if b == p.open {
		p.topic.producer.closeBatch(b)
		p.open = nil
	} else {
		p.queue = slices.Delete(p.queue, at, at+1)
	}
	p.rouse(true) // it may wait for what b was to do
	return true
}

// closeWithdrawals drops the messages of b that were withdrawn; the others can't be any
// more. p.mu is held.
func (p *partition) closeWithdrawals(b *batch) {
	if b.withdrawers > 0 {
		for i := range b.messages {
			if rec := &b.messages[i]; rec.withdraws && !rec.withdrawn {
				rec.sink.(withdrawer).taken(rec.index)
			}
		}
		b.withdrawers = 0
	}
	if b.withdrawals > 0 {
		b.dropWithdrawn()
	}
}

// dropWithdrawn drops the messages that were withdrawn, whose room has been given back.
func (b *batch) dropWithdrawn() {
	b.keep(func(i int) bool { return !b.messages[i].withdrawn })
	b.withdrawals, b.withdrawn = 0, 0
}
