package producer

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// topicState is all that the producer knows of a topic.
type topicState struct {
	producer     *Producer
	stream, name string
	index        int // of the topic, to spread topics over the connections
	metrics      topicMetrics

	route      atomic.Pointer[route] // nil while the topic does not exist, as far as is known
	roundRobin atomic.Uint32         // counter that chooses the partition of messages without a key

	// refreshing serializes reading and applying the metadata.
	refreshing  chan struct{}
	refreshedAt atomic.Int64 // by the producer's clock

	missing            atomic.Bool  // it did not exist when the metadata was read last
	pinned             atomic.Bool  // used by a Publisher: never evicted
	users              atomic.Int32 // calls that read the metadata
	lastUsed           atomic.Int64 // last use while it was not known to exist, by the producer's clock
	failuresAtEviction uint64       // failed messages at the eviction, guarded by topicSet.mu

	counters outcomeCounters

	mu         sync.Mutex
	epoch      *epoch
	partitions map[uint32]*partition // all that ever existed
}

func newTopicState(p *Producer, n topicName, index int) *topicState {
	return &topicState{
		producer: p, stream: n.stream, name: n.topic, index: index,
		metrics: p.stats.metrics.topic(n), refreshing: make(chan struct{}, 1), partitions: map[uint32]*partition{},
	}
}

// everExisted reports whether the topic was ever known to exist.
func (t *topicState) everExisted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.epoch != nil
}

// allPartitions returns the partitions that ever existed.
func (t *topicState) allPartitions() []*partition {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*partition, 0, len(t.partitions))
	for _, p := range t.partitions {
		list = append(list, p)
	}
	return list
}

// objectName names a partition of the topic in errors, or the topic when partition is negative.
func (t *topicState) objectName(partition int64) string {
	if partition < 0 {
		return t.stream + "/" + t.name
	}
	return fmt.Sprintf("%s/%s/%d", t.stream, t.name, partition)
}
