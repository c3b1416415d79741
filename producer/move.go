package producer

import (
	"fmt"

	"go.uber.org/zap"
)

// moveOn hands the messages of a batch on whose partition does not exist any more:
// to the partition that their key has now, or to any when they have none. What was
// sent to a chosen partition, explicitly or by a custom Partitioner, fails.
//
// The messages keep their ids, bytes, deadlines and order, and stay in their
// epoch: newer messages of their keys wait for them.
func (p *partition) moveOn(b *batch, cause error) {
	r := p.topic.route.Load()
	if r == nil { // the topic has gone meanwhile
		p.giveUp(b, cause)
		p.finish(b)
		return
	}
	n := uint32(len(r.partitions))
	turn := p.topic.turn.Load()
	targets := make([]uint32, b.len())
	const none = ^uint32(0)
	homeless := false
	for i, rec := range b.messages {
		switch rec.how {
		case byKey:
			targets[i] = rec.hash % n
		case byTurn:
			targets[i] = turn % n
		default:
			targets[i] = none
			homeless = true
		}
	}
	if homeless {
		p.failHomeless(b, targets, none, cause)
	}
	p.topic.producer.log.Warn("partition has gone, its messages move on", zap.String("stream", p.topic.stream),
		zap.String("topic", p.topic.name), zap.Uint32("partition", p.id), zap.Int("count", b.len()))
	for index := range r.partitions {
		if part := p.split(b, targets, uint32(index)); part != nil {
			p.handOver(r.partitions[index], part)
		}
	}
	p.topic.producer.moves.Add(1) // before b is finished: a flush waits for b or sees this
	// All of b's messages have moved: what is left is the empty batch.
	b.messages = b.messages[:0]
	b.wire.Reset()
	p.finish(b)
}

// failHomeless fails the messages of b without a target and drops them from
// it and from targets.
func (p *partition) failHomeless(b *batch, targets []uint32, none uint32, cause error) {
	part := p.split(b, targets, none)
	p.giveUp(part, fmt.Errorf("it was sent to a partition that does not exist any more: %w", cause))
	p.release(part)
	kept := targets[:0]
	b.keep(func(i int) bool { return targets[i] != none })
	for _, t := range targets {
		if t != none {
			kept = append(kept, t)
		}
	}
}

// split copies the messages of b that go to target into a batch of their own;
// nil when there are none. Their memory is accounted beyond the ceiling: it is
// given back when b is, right after.
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
	part := &batch{epoch: b.epoch, calls: b.calls, attempts: b.attempts, unsure: b.unsure, lastErr: b.lastErr}
	part.grow(bytes, messages)
	for i, t := range targets[:b.len()] {
		if t == target {
			part.wire.AppendEncoded(b.wire.Encoded(i))
			part.messages = append(part.messages, b.messages[i])
		}
	}
	part.memory = part.footprint()
	p.topic.producer.ceiling.memory.Add(part.memory)
	part.epoch.enter()
	p.mu.Lock()
	for _, f := range b.flushes {
		f.add()
		part.flushes = append(part.flushes, f)
	}
	p.mu.Unlock()
	return part
}

// handOver puts a batch into the queue of its new partition.
func (p *partition) handOver(to *partition, b *batch) {
	if !to.insert(b) {
		to.giveUp(b, stopped(b.lastErr))
		to.release(b)
	}
}

// release is finish for a batch that was never in flight.
func (p *partition) release(b *batch) {
	b.epoch.leave()
	for _, f := range b.flushes {
		f.done()
	}
	p.topic.producer.putBatch(b)
}
