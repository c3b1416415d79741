package producer

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

type topicName struct{ stream, topic string }

// topicSet holds the states of the topics that a producer sends to.
type topicSet struct {
	clock *clock
	// create makes the state of a topic, whose number among all topics is index.
	create func(n topicName, index int) *topicState

	byName atomic.Pointer[map[topicName]*topicState] // copied on write
	last   atomic.Pointer[topicState]                // cache of the topic used last

	evictedFailures atomic.Uint64 // failed messages of evicted topics

	mu    sync.Mutex // guards changes of byName
	added int        // topics ever added
}

func newTopicSet(c *clock, create func(n topicName, index int) *topicState) *topicSet {
	s := &topicSet{clock: c, create: create}
	s.byName.Store(&map[topicName]*topicState{})
	return s
}

// get returns the state of a topic. It creates the state at the first use.
func (s *topicSet) get(stream, name string) *topicState {
	if t := s.last.Load(); t != nil && t.name == name && t.stream == stream {
		return t
	}
	t := (*s.byName.Load())[topicName{stream, name}]
	if t == nil {
		t = s.add(topicName{stream, name})
	}
	s.last.Store(t)
	return t
}

func (s *topicSet) add(n topicName) *topicState {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.byName.Load()
	if t := old[n]; t != nil {
		return t
	}
	t := s.create(n, s.added)
	t.lastUsed.Store(s.clock.now())
	s.added++
	s.put(n, t)
	return t
}

// put adds t to the topics. s.mu is held.
func (s *topicSet) put(n topicName, t *topicState) {
	topics := maps.Clone(*s.byName.Load())
	topics[n] = t
	s.byName.Store(&topics)
}

// pin is get for a caller that keeps the state: it is never evicted.
func (s *topicSet) pin(stream, name string) *topicState {
	t, release := s.get(stream, name).hold()
	defer release()
	t.pinned.Store(true)
	return t
}

// hold prevents the topic's eviction until release is called. When the topic was evicted before,
// hold adds it again, or returns the state that was created meanwhile.
func (t *topicState) hold() (present *topicState, release func()) {
	s, n := t.producer.topics, topicName{t.stream, t.name}
	s.mu.Lock()
	defer s.mu.Unlock()
	if present = (*s.byName.Load())[n]; present == nil {
		present = t
		s.evictedFailures.Add(-t.failuresAtEviction)
		s.put(n, t)
	}
	present.users.Add(1)
	return present, func() {
		present.lastUsed.Store(s.clock.now())
		present.users.Add(-1)
	}
}

// evict removes the state of topics that were never known to exist and that were not used for a
// while: names may come from outside, in any number.
func (s *topicSet) evict(unused time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.clock.now() - int64(unused)
	all := *s.byName.Load()
	var left map[topicName]*topicState
	for n, t := range all {
		if t.pinned.Load() || t.users.Load() > 0 || t.lastUsed.Load() > before || t.everExisted() {
			continue
		}
		if left == nil {
			left = maps.Clone(all)
		}
		delete(left, n)
		t.failuresAtEviction = t.counters.failed.Load() + t.counters.refused.Load()
		s.evictedFailures.Add(t.failuresAtEviction)
		s.last.CompareAndSwap(t, nil)
	}
	if left != nil {
		s.byName.Store(&left)
	}
}

// list returns the topics in the order in which they were added.
func (s *topicSet) list() []*topicState {
	return slices.SortedFunc(maps.Values(*s.byName.Load()), func(a, b *topicState) int { return a.index - b.index })
}
