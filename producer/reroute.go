package producer

import (
	"fmt"

	"go.uber.org/zap"
)

// reroute moves the messages of a batch whose partition does not exist any more. A message goes to
// the partition that its key has now, or to any partition when it has no key. A message that was
// sent to a chosen partition, explicitly or by a custom Partitioner, fails.
//
// The messages keep their ids, bytes, deadlines and order, and stay in their epoch: newer messages
// of their keys wait for them.
func (p *partition) reroute(b *batch, cause error) {
	r := p.topic.route.Load()
	if r == nil { // the topic was deleted meanwhile
		p.failAll(b, cause)
		p.queue.complete(b)
		return
	}
	n := uint32(len(r.partitions))
	current := p.topic.roundRobin.Load()
	targets := make([]uint32, b.len())
	const none = ^uint32(0)
	unroutable := false
	for i, m := range b.messages {
		switch m.routing {
		case byKey:
			targets[i] = m.hash % n
		case byRoundRobin:
			targets[i] = current % n
		default:
			targets[i] = none
			unroutable = true
		}
	}
	if unroutable {
		p.failUnroutable(b, targets, none, cause)
	}
	p.topic.producer.log.Warn("partition deleted, moving its messages", zap.String("stream", p.topic.stream),
		zap.String("topic", p.topic.name), zap.Uint32("partition", p.id), zap.Int("count", b.len()))
	for index := range r.partitions {
		if part := p.split(b, targets, uint32(index)); part != nil {
			p.transfer(r.partitions[index], part)
		}
	}
	p.topic.producer.reroutes.Add(1) // before b is completed: a flush waits for b or sees this
	// All messages of b have moved.
	b.messages = b.messages[:0]
	b.wire.Reset()
	p.queue.complete(b)
}

// failUnroutable fails the messages of b without a target and removes them from b and targets.
func (p *partition) failUnroutable(b *batch, targets []uint32, none uint32, cause error) {
	part := p.split(b, targets, none)
	p.failAll(part, fmt.Errorf("its partition was deleted: %w", cause))
	p.completeUnsent(part)
	kept := targets[:0]
	b.keep(func(i int) bool { return targets[i] != none })
	for _, t := range targets {
		if t != none {
			kept = append(kept, t)
		}
	}
}

// split copies the messages of b for target into a new batch; nil when there are none. The memory
// of the new batch may exceed the limit: b's is released right after.
func (p *partition) split(b *batch, targets []uint32, target uint32) *batch {
	bytes, messages := 0, 0
	for i, t := range targets[:b.len()] {
		if t == target {
			bytes += len(b.wire.Encoded(i))
			messages++
		}
	}
	if messages == 0 {
		return nil
	}
	memory := &p.topic.producer.memory
	memory.limit.memory.Add(int64(bytes) + int64(messages)*slotBytes)
	part := memory.get()
	memory.add(part, bytes, messages)
	part.epoch, part.hasCallbacks, part.attempts, part.maybeStored, part.lastErr = b.epoch, b.hasCallbacks, b.attempts, b.maybeStored, b.lastErr
	for i, t := range targets[:b.len()] {
		if t == target {
			part.wire.AppendEncoded(b.wire.Encoded(i))
			part.messages = append(part.messages, b.messages[i])
		}
	}
	part.epoch.addBatch()
	p.queue.mu.Lock()
	for _, f := range b.flushes {
		f.add()
		part.flushes = append(part.flushes, f)
	}
	p.queue.mu.Unlock()
	return part
}

// transfer puts a batch into the queue of its new partition.
func (p *partition) transfer(to *partition, b *batch) {
	if !to.queue.enqueue(b) {
		to.failAll(b, closedError(b.lastErr))
		to.completeUnsent(b)
	}
}
