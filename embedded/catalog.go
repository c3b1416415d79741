package embedded

import (
	"sync"
	"sync/atomic"
)

// catalog holds the streams, and through them the topics, partitions and groups. Its lock guards
// which of these exist. What a partition or a group contains has a lock of its own. Locks are taken
// in the order catalog, group, partition.
type catalog struct {
	mu            sync.RWMutex
	streams       slab[stream]
	streamsByName map[string]*stream

	// deletedPartitions are partitions whose files are still to be deleted.
	deletedPartitions []*partition

	// metadataVersion counts the changes of what the real server calls its metadata. It keeps two
	// copies of that and switches to the other one at each change. The copies are equal but for the
	// position of each group member in its partitions: see [member.cursor].
	metadataVersion atomic.Uint64
}

func newCatalog() *catalog { return &catalog{streamsByName: map[string]*stream{}} }

// countChanges counts n changes of the metadata.
func (c *catalog) countChanges(n int) { c.metadataVersion.Add(uint64(n)) }

// currentCopy returns which of the two copies of the metadata is current.
func (c *catalog) currentCopy() int { return int(c.metadataVersion.Load() & 1) }

// The methods below need the lock, for reading at least.

func (c *catalog) findStream(id identifier) *stream {
	if id.named {
		return c.streamsByName[id.name]
	}
	return c.streams.get(id.id)
}

func (c *catalog) findTopic(id topicID) (*topic, Status) {
	s := c.findStream(id.stream)
	if s == nil {
		return nil, StatusStreamNotFound
	}
	t := s.findTopic(id.topic)
	if t == nil {
		return nil, StatusTopicNotFound
	}
	return t, StatusOK
}

func (c *catalog) findGroup(id topicID, groupID identifier) (*topic, *group, Status) {
	t, st := c.findTopic(id)
	if st != StatusOK {
		return nil, nil, st
	}
	g := t.findGroup(groupID)
	if g == nil {
		return nil, nil, StatusGroupNotFound
	}
	return t, g, StatusOK
}

// eachTopic calls f for every topic of every stream.
func (c *catalog) eachTopic(f func(*topic)) {
	c.streams.each(func(_ uint32, s *stream) {
		s.topics.each(func(_ uint32, t *topic) { f(t) })
	})
}
