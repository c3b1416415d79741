package producer

import "sync/atomic"

// partition is one partition of a topic. Its sender sends the batches of its queue.
type partition struct {
	topic   *topicState
	id      uint32
	link    *connection
	deleted atomic.Bool // the topic does not have the partition any more
	queue   batchQueue
}

func newPartition(t *topicState, id uint32, e *epoch) *partition {
	p := &partition{topic: t, id: id, link: t.producer.connections.of(t, id)}
	p.queue = batchQueue{partition: p, producer: t.producer, epoch: e, wake: make(chan struct{}, 1)}
	p.queue.permit = permit{of: &p.link.requests, granted: make(chan struct{}, 1)}
	return p
}
