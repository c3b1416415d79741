package producer

import (
	"maps"
	"slices"
	"time"
)

type topicName struct{ stream, topic string }

// topic is the state of a topic, which is made when it is first asked for.
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
		producer: p, stream: n.stream, name: n.topic, index: p.topicCount, packing: p.packings[n],
		metrics: p.metrics.topic(n), reading: make(chan struct{}, 1), partitions: map[uint32]*partition{},
	}
	t.asked.Store(p.clock())
	p.topicCount++
	p.putTopic(n, t)
	return t
}

// putTopic makes t the state of the topic. p.topicsMu is held.
func (p *Producer) putTopic(n topicName, t *topicState) {
	topics := maps.Clone(*p.topics.Load())
	topics[n] = t
	p.topics.Store(&topics)
}

// pinTopic is topic for someone who holds on to it.
func (p *Producer) pinTopic(stream, name string) *topicState {
	t, free := p.topic(stream, name).use()
	defer free()
	t.pinned.Store(true)
	return t
}

// use keeps the topic from being forgotten until free is called. When it was
// forgotten already, it is remembered again, or what has taken its place is returned.
func (t *topicState) use() (present *topicState, free func()) {
	p, n := t.producer, topicName{t.stream, t.name}
	p.topicsMu.Lock()
	defer p.topicsMu.Unlock()
	if present = (*p.topics.Load())[n]; present == nil {
		present = t
		p.forgotten.Add(-t.forgot)
		p.putTopic(n, t)
	}
	present.users.Add(1)
	return present, func() {
		present.asked.Store(p.clock())
		present.users.Add(-1)
	}
}

// forgetTopics drops the state of topics that were never known to exist, and that
// nobody has asked for in a while: names may come from outside, and be any number.
func (p *Producer) forgetTopics(unused time.Duration) {
	p.topicsMu.Lock()
	defer p.topicsMu.Unlock()
	before := p.clock() - int64(unused)
	all := *p.topics.Load()
	var left map[topicName]*topicState
	for n, t := range all {
		if t.pinned.Load() || t.users.Load() > 0 || t.asked.Load() > before || t.exists() {
			continue
		}
		if left == nil {
			left = maps.Clone(all)
		}
		delete(left, n)
		t.forgot = t.failed.Load() + t.refused.Load()
		p.forgotten.Add(t.forgot)
		p.lastTopic.CompareAndSwap(t, nil)
	}
	if left != nil {
		p.topics.Store(&left)
	}
}

// topicList are the topics that were asked for, in that order.
func (p *Producer) topicList() []*topicState {
	return slices.SortedFunc(maps.Values(*p.topics.Load()), func(a, b *topicState) int { return a.index - b.index })
}
