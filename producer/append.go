package producer

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
func (p *partition) append(e *epoch, it *item, m pendingMessage, now int64, grant *int64) (result appendResult, need int64, wake bool) {
	size := it.size()
	cfg := &p.topic.producer.cfg
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed, !p.start():
		return appendClosed, 0, false
	case p.epoch != e && p.epoch.number > e.number, p.deleted.Load():
		return appendStaleRoute, 0, false
	case p.epoch != e:
		p.startEpochLocked(e)
	}
	if b := p.open; b != nil && (b.len() >= cfg.MaxBatchMessages || b.wire.Size()+size > int(cfg.MaxBatchBytes)) {
		p.queueOpenBatch()
		wake = p.senderState == senderLingering
	}
	if p.open == nil {
		b := p.topic.producer.getBatch(size, min(p.expectedBytes, int(cfg.MaxBatchBytes)), min(p.expectedMessages, cfg.MaxBatchMessages), grant)
		if b == nil {
			return appendOutOfMemory, (&batch{}).memoryAfterGrow(size, 1), p.markAwake(wake)
		}
		b.epoch = p.epoch
		b.epoch.addBatch()
		p.open = b
	} else if b := p.open; !b.hasRoom(size) {
		if !p.growOpenBatch(b, size, grant) {
			return appendOutOfMemory, b.memoryAfterGrow(size, 1) - b.memory, p.markAwake(wake)
		}
	}
	b := p.open
	if m.withdrawable {
		b.withdrawers++
		m.sink.(withdrawer).setPosition(m.index, position{partition: p, batch: b, index: b.len()})
	}
	b.wire.Append(it.id, uint64(now/1000), it.payload, it.headers)
	b.messages = append(b.messages, m)
	b.hasCallbacks = b.hasCallbacks || m.sink != nil && !m.withdrawable
	if m.direct && b.len() == 1 && p.claim(b) {
		return appendClaimed, 0, p.markAwake(wake)
	}
	wake = wake || p.senderState == senderStarting || p.senderState == senderIdle && !p.directSend || p.senderState == senderLingering && b.len() >= cfg.MaxBatchMessages
	return appendOK, 0, p.markAwake(wake)
}

// growOpenBatch makes room in the open batch: for more than the next message if the memory limit
// allows it, and at least for that one.
func (p *partition) growOpenBatch(b *batch, size int, grant *int64) bool {
	cfg := &p.topic.producer.cfg
	have := b.wire.Size()
	bytes := max(size, min(max(have, 4<<10), int(cfg.MaxBatchBytes)-have))
	messages := max(1, min(max(b.len(), 8), cfg.MaxBatchMessages-b.len()))
	return p.topic.producer.prealloc(b, size, bytes, messages, grant)
}

// updateExpectedSize estimates the size of the next batch: that of b plus a little for the
// variation. The estimate decreases slowly after large batches.
func (p *partition) updateExpectedSize(b *batch) {
	p.expectedBytes = max(b.wire.Size()+b.wire.Size()/32, p.expectedBytes-p.expectedBytes/32)
	p.expectedMessages = max(b.len()+b.len()/32, p.expectedMessages-p.expectedMessages/32)
}

// advanceRoundRobin sends the following messages without a key to the next partition, if p receives
// them now.
func (p *partition) advanceRoundRobin() {
	current := p.topic.roundRobin.Load()
	if r := p.topic.route.Load(); r != nil && r.partitions[current%uint32(len(r.partitions))] == p {
		p.topic.roundRobin.CompareAndSwap(current, current+1)
	}
}
