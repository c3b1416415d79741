package producer

// Topics is how many topics the producer keeps a state of.
func (p *Producer) Topics() int { return len(p.topicList()) }
