package producer

import "cmp"

// appendResult is the result of batchQueue.append.
type appendResult uint8

const (
	appendOK         appendResult = iota
	appendClaimed                 // in flight by itself: the caller must send it
	appendStaleRoute              // the route is outdated: choose again
	appendClosed
	appendOutOfMemory
)

// append adds a message to the open batch. grant is batch memory that the caller has reserved;
// append sets it to zero when it uses the memory. When the result is appendOutOfMemory, need is how
// much memory the message needs, with the grant. wake tells that the sender must be woken.
func (q *batchQueue) append(e *epoch, it *item, m pendingMessage, now int64, grant *int64) (result appendResult, need int64, wake bool) {
	size := it.size()
	cfg := &q.producer.cfg
	maxMessages, maxBytes := q.partition.link.requests.batchSize(cfg)
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed, !q.start():
		return appendClosed, 0, false
	case q.epoch != e && q.epoch.number > e.number, q.partition.deleted.Load():
		return appendStaleRoute, 0, false
	case q.epoch != e:
		q.startEpochLocked(e)
	}
	if b := q.open; b != nil && (b.len() >= maxMessages || b.wire.Size()+size > maxBytes) {
		q.queueOpenBatch()
		wake = q.senderState == senderLingering
	}
	b := q.open
	if b == nil {
		q.producer.clock.syncWallTime()
		b = q.producer.memory.get()
	}
	if need := q.producer.memory.grow(b, size, grant); need > 0 {
		if b.len() == 0 {
			q.producer.memory.put(b)
		}
		return appendOutOfMemory, need, q.markAwake(wake)
	}
	if q.open == nil {
		b.epoch = q.epoch
		b.epoch.addBatch()
		q.open = b
	}
	if m.withdrawable {
		b.withdrawers++
		m.sink.(withdrawer).setPosition(m.index, position{partition: q.partition, batch: b, index: b.len()})
	}
	b.wire.Append(it.id, cmp.Or(it.created, uint64(now/1000)), it.payload, it.headers)
	b.messages = append(b.messages, m)
	b.hasCallbacks = b.hasCallbacks || m.sink != nil && !m.withdrawable
	if m.direct && b.len() == 1 && q.claim(b) {
		return appendClaimed, 0, q.markAwake(wake)
	}
	wake = wake || q.senderState == senderStarting || q.senderState == senderIdle && !q.directSend || q.senderState == senderLingering && b.hasSize(cfg)
	return appendOK, 0, q.markAwake(wake)
}

// advanceRoundRobin sends the following messages without a key to the next partition, if p receives
// them now.
func (p *partition) advanceRoundRobin() {
	current := p.topic.roundRobin.Load()
	if r := p.topic.route.Load(); r != nil && r.partitions[current%uint32(len(r.partitions))] == p {
		p.topic.roundRobin.CompareAndSwap(current, current+1)
	}
}
