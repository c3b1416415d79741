package producer

import (
	"maps"
	"slices"
	"time"
)

type topicName struct{ stream, topic string }

// topic returns the state of a topic. It creates the state at the first use.
func (p *Producer) topic(stream, name string) *topicState {
	if t := p.lastTopic.Load(); t != nil && t.name == name && t.stream == stream {
		return t
	}
	t := (*p.topics.Load())[topicName{stream, name}]
	if t == nil {
		t = p.addTopic(topicName{stream, name})
	}
	p.lastTopic.Store(t)
	return t
}

func (p *Producer) addTopic(n topicName) *topicState {
	p.topicsMu.Lock()
	defer p.topicsMu.Unlock()
	old := *p.topics.Load()
	if t := old[n]; t != nil {
		return t
	}
	t := &topicState{
		producer: p, stream: n.stream, name: n.topic, index: p.topicCount, compressor: p.compressors[n],
		metrics: p.metrics.topic(n), refreshing: make(chan struct{}, 1), partitions: map[uint32]*partition{},
	}
	t.lastUsed.Store(p.now())
	p.topicCount++
	p.putTopic(n, t)
	return t
}

// putTopic adds t to the topics. p.topicsMu is held.
func (p *Producer) putTopic(n topicName, t *topicState) {
	topics := maps.Clone(*p.topics.Load())
	topics[n] = t
	p.topics.Store(&topics)
}

// pinTopic is topic for a caller that keeps the state: it is never evicted.
func (p *Producer) pinTopic(stream, name string) *topicState {
	t, release := p.topic(stream, name).hold()
	defer release()
	t.pinned.Store(true)
	return t
}

// hold prevents the topic's eviction until release is called. When the topic was evicted before,
// hold adds it again, or returns the state that was created meanwhile.
func (t *topicState) hold() (present *topicState, release func()) {
	p, n := t.producer, topicName{t.stream, t.name}
	p.topicsMu.Lock()
	defer p.topicsMu.Unlock()
	if present = (*p.topics.Load())[n]; present == nil {
		present = t
		p.evictedFailures.Add(-t.failuresAtEviction)
		p.putTopic(n, t)
	}
	present.users.Add(1)
	return present, func() {
		present.lastUsed.Store(p.now())
		present.users.Add(-1)
	}
}

// evictTopics removes the state of topics that were never known to exist and that were not used for
// a while: names may come from outside, in any number.
func (p *Producer) evictTopics(unused time.Duration) {
	p.topicsMu.Lock()
	defer p.topicsMu.Unlock()
	before := p.now() - int64(unused)
	all := *p.topics.Load()
	var left map[topicName]*topicState
	for n, t := range all {
		if t.pinned.Load() || t.users.Load() > 0 || t.lastUsed.Load() > before || t.everExisted() {
			continue
		}
		if left == nil {
			left = maps.Clone(all)
		}
		delete(left, n)
		t.failuresAtEviction = t.failed.Load() + t.refused.Load()
		p.evictedFailures.Add(t.failuresAtEviction)
		p.lastTopic.CompareAndSwap(t, nil)
	}
	if left != nil {
		p.topics.Store(&left)
	}
}

// topicList returns the topics in the order in which they were added.
func (p *Producer) topicList() []*topicState {
	return slices.SortedFunc(maps.Values(*p.topics.Load()), func(a, b *topicState) int { return a.index - b.index })
}
