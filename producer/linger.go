package producer

// endLinger sends the open batch without further delay.
func (q *batchQueue) endLinger() {
	q.mu.Lock()
	if q.open != nil {
		q.open.skipLinger = true
	}
	wake := q.markAwake(q.senderState == senderLingering)
	q.mu.Unlock()
	if wake {
		q.wakeSender()
	}
}

// endLinger ends lingering in all partitions: a caller waits for room or for outcomes.
func (p *Producer) endLinger() {
	if p.cfg.Linger <= 0 {
		return
	}
	for _, t := range p.topics.list() {
		for _, part := range t.allPartitions() {
			part.queue.endLinger()
		}
	}
}
