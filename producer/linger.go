package producer

// endLinger sends the open batch without further delay.
func (p *partition) endLinger() {
	p.mu.Lock()
	if p.open != nil {
		p.open.skipLinger = true
	}
	wake := p.markAwake(p.senderState == senderLingering)
	p.mu.Unlock()
	if wake {
		p.wakeSender()
	}
}

// endLinger ends lingering in all partitions: a caller waits for room or for outcomes.
func (p *Producer) endLinger() {
	if p.cfg.Linger <= 0 {
		return
	}
	for _, t := range p.topicList() {
		for _, part := range t.allPartitions() {
			part.endLinger()
		}
	}
}
