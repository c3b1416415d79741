package producer

import "cmp"

// appendResult is the result of partition.append.
type appendResult uint8

const (
	appendOK         appendResult = iota
	appendClaimed                 // in flight by itself: the caller must send it
	appendStaleRoute              // the route is outdated: choose again
	appendClosed
	appendOutOfMemory
)

// append adds a message to the open batch. grant is batch memory that the caller has reserved;
// append sets it to zero when it uses the memory. need is how much memory append lacks when the
// result is appendOutOfMemory. wake tells that the sender must be woken.
func (q *batchQueue) append(e *epoch, it *item, m pendingMessage, now int64, grant *int64) (result appendResult, need int64, wake bool) {
	size := it.size()
	cfg := &q.producer.cfg
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
	if b := q.open; b != nil && (b.len() >= cfg.MaxBatchMessages || b.wire.Size()+size > int(cfg.MaxBatchBytes)) {
		q.queueOpenBatch()
		wake = q.senderState == senderLingering
	}
	if q.open == nil {
		q.producer.clock.syncWallTime()
		b := q.producer.batches.get(size, min(q.expected.bytes, int(cfg.MaxBatchBytes)), min(q.expected.messages, cfg.MaxBatchMessages), grant)
		if b == nil {
			return appendOutOfMemory, (&batch{}).memoryAfterGrow(size, 1), q.markAwake(wake)
		}
		b.epoch = q.epoch
		b.epoch.addBatch()
		q.open = b
	} else if b := q.open; !b.hasRoom(size) {
		if !q.growOpenBatch(b, size, grant) {
			return appendOutOfMemory, b.memoryAfterGrow(size, 1) - b.memory, q.markAwake(wake)
		}
	}
	b := q.open
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
	wake = wake || q.senderState == senderStarting || q.senderState == senderIdle && !q.directSend || q.senderState == senderLingering && b.len() >= cfg.MaxBatchMessages
	return appendOK, 0, q.markAwake(wake)
}

// growOpenBatch makes room in the open batch: for more than the next message if the memory limit
// allows it, and at least for that one.
func (q *batchQueue) growOpenBatch(b *batch, size int, grant *int64) bool {
	cfg := &q.producer.cfg
	have := b.wire.Size()
	bytes := max(size, min(max(have, 4<<10), int(cfg.MaxBatchBytes)-have))
	messages := max(1, min(max(b.len(), 8), cfg.MaxBatchMessages-b.len()))
	return q.producer.batches.prealloc(b, size, bytes, messages, grant)
}

// batchSize is the size to expect of a partition's next batch.
type batchSize struct{ bytes, messages int }

// update learns from b: the next batch will be as large, plus a little for the variation. After
// large batches the size decreases slowly.
func (s *batchSize) update(b *batch) {
	s.bytes = max(b.wire.Size()+b.wire.Size()/32, s.bytes-s.bytes/32)
	s.messages = max(b.len()+b.len()/32, s.messages-s.messages/32)
}

// advanceRoundRobin sends the following messages without a key to the next partition, if p receives
// them now.
func (p *partition) advanceRoundRobin() {
	current := p.topic.roundRobin.Load()
	if r := p.topic.route.Load(); r != nil && r.partitions[current%uint32(len(r.partitions))] == p {
		p.topic.roundRobin.CompareAndSwap(current, current+1)
	}
}
