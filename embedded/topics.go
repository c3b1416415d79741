package embedded

import (
	"encoding/binary"
	"errors"
	"math"

	"go.uber.org/zap"
)

const (
	maxPartitionsPerRequest = 1000
	// minTopicSize is the default size of a segment of the real server, under which it takes no limit for a topic.
	minTopicSize = 1 << 30
)

// A topic's expiry and size limit are kept and shown and have no effect: the real server's default configuration does not
// enforce them either.

// appendTopic writes `[u32 id][u64 created][u32 partitions][u64 expiry][u8 compression][u64 max size][u8 replication]
// [u64 bytes][u64 messages][name]`. Expiry is in microseconds; the largest number means never, or no limit.
func appendTopic(b []byte, t *topic) []byte {
	size, messages := t.totals()
	b = binary.LittleEndian.AppendUint32(b, t.id)
	b = binary.LittleEndian.AppendUint64(b, t.created)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(t.partitions)))
	b = binary.LittleEndian.AppendUint64(b, t.expiry)
	b = append(b, t.compression)
	b = binary.LittleEndian.AppendUint64(b, t.maxSize)
	b = append(b, t.replication)
	b = binary.LittleEndian.AppendUint64(b, size)
	b = binary.LittleEndian.AppendUint64(b, messages)
	return appendName(b, t.name)
}

// appendPartition writes `[u32 id][u64 created][u32 segments][u64 current offset][u64 bytes][u64 messages]`.
func appendPartition(b []byte, p *partition, segments uint32) []byte {
	st := p.stats()
	b = binary.LittleEndian.AppendUint32(b, p.id)
	b = binary.LittleEndian.AppendUint64(b, p.created)
	b = binary.LittleEndian.AppendUint32(b, segments)
	b = binary.LittleEndian.AppendUint64(b, st.current)
	b = binary.LittleEndian.AppendUint64(b, st.size)
	return binary.LittleEndian.AppendUint64(b, st.messages)
}

// getTopic reads `[identifier stream][identifier topic]` and answers the topic followed by its partitions, or nothing
// when there is no such topic or stream.
func (c *conn) getTopic(d *decoder) Status {
	streamID, topicID := d.identifier(), d.identifier()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	cat := c.server.catalog
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	t, st := c.topic(streamID, topicID, canReadTopic)
	if st != StatusOK {
		return orNothing(st)
	}
	c.out = appendTopic(c.out, t)
	for _, p := range t.partitions {
		c.out = appendPartition(c.out, p, 1)
	}
	return StatusOK
}

// getTopics reads `[identifier stream]` and answers its topics, without their partitions.
func (c *conn) getTopics(d *decoder) Status {
	id := d.identifier()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	cat := c.server.catalog
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	s, st := c.stream(id, canReadTopics)
	if st != StatusOK {
		return orNothing(st)
	}
	s.topics.each(func(_ uint32, t *topic) { c.out = appendTopic(c.out, t) })
	return StatusOK
}

type topicSettings struct {
	compression uint8
	expiry      uint64
	maxSize     uint64
	replication uint8
	name        string
}

// topicSettings reads `[u8 compression][u64 expiry][u64 max size][u8 replication][name]`, the end of both commands.
func (d *decoder) topicSettings() topicSettings {
	return topicSettings{compression: d.u8(), expiry: d.u64(), maxSize: d.u64(), replication: d.u8(), name: d.name()}
}

func (t *topic) setSettings(set topicSettings) {
	t.name, t.compression, t.expiry, t.maxSize = set.name, set.compression, set.expiry, set.maxSize
	t.requestedExpiry, t.requestedMaxSize = set.expiry, set.maxSize
	t.replication = max(set.replication, 1)
}

// createTopic reads `[identifier stream][u32 partitions]` and the settings, and answers the topic with its partitions.
// An expiry or a size of 0 means the server's default, which is never and no limit.
func (c *conn) createTopic(d *decoder) Status {
	streamID, count := d.identifier(), d.u32()
	set := d.topicSettings()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if count > maxPartitionsPerRequest {
		return StatusTooManyPartitions
	}
	if set.compression != 1 && set.compression != 2 {
		return StatusInvalidCommand
	}
	cat := c.server.catalog
	cat.mu.Lock()
	defer cat.mu.Unlock()
	s, st := c.stream(streamID, canManageTopics)
	if st != StatusOK {
		return st
	}
	if set.maxSize != 0 && set.maxSize < minTopicSize {
		return StatusInvalidTopicSize
	}
	if s.topicsByName[set.name] != nil {
		return StatusTopicExists
	}
	now := c.server.now()
	t := s.addTopic(set, now)
	if t.expiry == 0 {
		t.expiry = math.MaxUint64
	}
	if t.maxSize == 0 {
		t.maxSize = math.MaxUint64
	}
	cat.countChanges(1 + min(int(count), 1))
	c.server.addPartitions(t, count)
	c.out = appendTopic(c.out, t)
	for _, p := range t.partitions {
		c.out = appendPartition(c.out, p, 0)
	}
	return StatusOK
}

func (s *stream) addTopic(set topicSettings, now uint64) *topic {
	t := &topic{stream: s, created: now, groupsByName: map[string]*group{}}
	t.setSettings(set)
	t.id = s.topics.insert(t)
	s.topicsByName[t.name] = t
	return t
}

// updateTopic reads `[identifier stream][identifier topic]` and the settings. Here the real server takes a 0 and a small
// size as they are.
func (c *conn) updateTopic(d *decoder) Status {
	streamID, topicID := d.identifier(), d.identifier()
	set := d.topicSettings()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if set.compression != 1 && set.compression != 2 {
		return StatusInvalidCommand
	}
	cat := c.server.catalog
	cat.mu.Lock()
	defer cat.mu.Unlock()
	t, st := c.topic(streamID, topicID, canManageTopic)
	if st != StatusOK {
		return st
	}
	if other := t.stream.topicsByName[set.name]; other != nil && other != t {
		return StatusTopicExists
	}
	cat.countChanges(1)
	delete(t.stream.topicsByName, t.name)
	t.setSettings(set)
	t.stream.topicsByName[t.name] = t
	return StatusOK
}

// deleteTopic reads `[identifier stream][identifier topic]`.
func (c *conn) deleteTopic(d *decoder) Status {
	streamID, topicID := d.identifier(), d.identifier()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	cat := c.server.catalog
	cat.mu.Lock()
	defer cat.mu.Unlock()
	t, st := c.topic(streamID, topicID, canManageTopic)
	if st != StatusOK {
		return st
	}
	c.server.markDeleted(t.partitions)
	s := t.stream
	s.topics.remove(t.id)
	delete(s.topicsByName, t.name)
	cat.countChanges(1)
	c.server.clients.removeGroups(func(r groupRef) bool { return r.stream == s.id && r.topic == t.id })
	return StatusOK
}

// purgeTopic reads `[identifier stream][identifier topic]` and drops its messages and offsets.
func (c *conn) purgeTopic(d *decoder) Status {
	streamID, topicID := d.identifier(), d.identifier()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	cat := c.server.catalog
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	t, st := c.topic(streamID, topicID, canManageTopic)
	if st != StatusOK {
		return st
	}
	return c.purged(t.purge())
}

func (t *topic) purge() error {
	var errs []error
	for _, p := range t.partitions {
		errs = append(errs, p.purge())
	}
	return errors.Join(errs...)
}

// purged answers a purge whose files may have resisted.
func (c *conn) purged(err error) Status {
	if err != nil {
		c.server.log.Error("messages not deleted", zap.Error(err))
		return StatusIOError
	}
	return StatusOK
}
