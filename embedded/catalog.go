package embedded

import (
	"sync"
	"sync/atomic"
)

// catalog holds what exists: streams, their topics, the topics' partitions and groups. Its lock is held for lookups and
// changes of this structure only, never across I/O; what lies in a partition or a group has a lock of its own. The order
// is catalog, then group, then partition.
type catalog struct {
	mu            sync.RWMutex
	streams       slab[stream]
	streamsByName map[string]*stream

	// changes counts the changes of anything that the real server keeps in its metadata. It keeps that twice, in two
	// copies of which every change makes the other one current, and only the members' turns differ between the two.
	metadataVersion atomic.Uint64
}

// changed notes n changes.
func (c *catalog) countChanges(n int) { c.metadataVersion.Add(uint64(n)) }

// copy is which of the two copies is current.
func (c *catalog) currentCopy() int { return int(c.metadataVersion.Load() & 1) }

type stream struct {
	id           uint32
	name         string
	created      uint64
	topics       slab[topic]
	topicsByName map[string]*topic
}

type topic struct {
	id          uint32
	stream      *stream
	name        string
	created     uint64
	expiry      uint64
	compression uint8
	maxSize     uint64
	replication uint8
	// askedExpiry and askedSize are as the request had them, 0 for the server's default.
	requestedExpiry  uint64
	requestedMaxSize uint64
	partitions       []*partition
	groups           slab[group]
	groupsByName     map[string]*group
	// turn is the partition that the next balanced send goes to; turnMu guards it since sends hold the catalog's lock
	// for reading only.
	nextBalancedMu sync.Mutex
	nextBalanced   int
}

func newCatalog() *catalog { return &catalog{streamsByName: map[string]*stream{}} }

// The find functions need the lock, for reading at least.

func (c *catalog) findStream(id identifier) *stream {
	if id.named {
		return c.streamsByName[id.name]
	}
	return c.streams.get(id.id)
}

func (c *catalog) findTopic(streamID, topicID identifier) (*topic, Status) {
	s := c.findStream(streamID)
	if s == nil {
		return nil, StatusStreamNotFound
	}
	t := s.findTopic(topicID)
	if t == nil {
		return nil, StatusTopicNotFound
	}
	return t, StatusOK
}

func (s *stream) findTopic(id identifier) *topic {
	if id.named {
		return s.topicsByName[id.name]
	}
	return s.topics.get(id.id)
}

func (t *topic) findGroup(id identifier) *group {
	if id.named {
		return t.groupsByName[id.name]
	}
	return t.groups.get(id.id)
}

// partition returns nil for a number that does not exist.
func (t *topic) partition(id uint32) *partition {
	if uint64(id) >= uint64(len(t.partitions)) {
		return nil
	}
	return t.partitions[id]
}

// nextPartition takes the balanced turn. The topic must have partitions.
func (t *topic) nextBalancedPartition() uint32 {
	t.nextBalancedMu.Lock()
	defer t.nextBalancedMu.Unlock()
	n := len(t.partitions)
	current := t.nextBalanced % n
	t.nextBalanced = (t.nextBalanced + 1) % n
	return uint32(current)
}

// volume sums bytes and messages.
func (t *topic) totals() (size, messages uint64) {
	for _, p := range t.partitions {
		st := p.stats()
		size += st.size
		messages += st.messages
	}
	return size, messages
}

func (s *stream) totals() (size, messages uint64) {
	s.topics.each(func(_ uint32, t *topic) {
		ts, tm := t.totals()
		size += ts
		messages += tm
	})
	return size, messages
}
