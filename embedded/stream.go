package embedded

import (
	"encoding/binary"
	"errors"
)

type stream struct {
	id           uint32
	name         string
	created      uint64
	topics       slab[topic]
	topicsByName map[string]*topic
}

// addStream needs the lock for writing.
func (c *catalog) addStream(name string, now uint64) *stream {
	s := &stream{name: name, created: now, topicsByName: map[string]*topic{}}
	s.id = c.streams.insert(s)
	c.streamsByName[name] = s
	c.countChanges(1)
	return s
}

func (s *stream) findTopic(id identifier) *topic {
	if id.named {
		return s.topicsByName[id.name]
	}
	return s.topics.get(id.id)
}

// totals sums bytes and messages.
func (s *stream) totals() (size, messages uint64) {
	s.topics.each(func(_ uint32, t *topic) {
		topicSize, topicMessages := t.totals()
		size += topicSize
		messages += topicMessages
	})
	return size, messages
}

// appendStream writes `[u32 id][u64 created][u32 topics][u64 bytes][u64 messages][name]`.
func appendStream(b []byte, s *stream) []byte {
	size, messages := s.totals()
	b = binary.LittleEndian.AppendUint32(b, s.id)
	b = binary.LittleEndian.AppendUint64(b, s.created)
	b = binary.LittleEndian.AppendUint32(b, uint32(s.topics.len()))
	b = binary.LittleEndian.AppendUint64(b, size)
	b = binary.LittleEndian.AppendUint64(b, messages)
	return appendName(b, s.name)
}

// getStream answers the stream followed by its topics, without their partitions.
func (c *conn) getStream(s *stream, _ none) Status {
	c.out = appendStream(c.out, s)
	s.topics.each(func(_ uint32, t *topic) { c.out = appendTopic(c.out, t) })
	return StatusOK
}

// getStreams answers all streams.
func (c *conn) getStreams(none) Status {
	c.server.catalog.streams.each(func(_ uint32, s *stream) { c.out = appendStream(c.out, s) })
	return StatusOK
}

// createStream answers the new stream.
func (c *conn) createStream(name string) Status {
	cat := c.server.catalog
	if cat.streamsByName[name] != nil {
		return StatusStreamExists
	}
	c.out = appendStream(c.out, cat.addStream(name, c.server.now()))
	return StatusOK
}

func (c *conn) deleteStream(s *stream, _ none) Status {
	cat := c.server.catalog
	s.topics.each(func(_ uint32, t *topic) { c.server.markDeleted(t.partitions) })
	cat.streams.remove(s.id)
	delete(cat.streamsByName, s.name)
	cat.countChanges(1)
	c.server.users.removeStreamPermissions(s.id)
	c.server.clients.removeGroups(func(r groupRef) bool { return r.stream == s.id })
	return StatusOK
}

// updateStream renames a stream.
func (c *conn) updateStream(s *stream, name string) Status {
	cat := c.server.catalog
	if s.name == name {
		return StatusOK
	}
	if cat.streamsByName[name] != nil {
		return StatusStreamExists
	}
	cat.countChanges(1)
	delete(cat.streamsByName, s.name)
	s.name = name
	cat.streamsByName[name] = s
	return StatusOK
}

// purgeStream deletes the messages and offsets of all topics.
func (c *conn) purgeStream(s *stream, _ none) Status {
	var errs []error
	s.topics.each(func(_ uint32, t *topic) { errs = append(errs, t.purge(c.server.opts.purgeSavedOnly)) })
	return c.purgeStatus(errors.Join(errs...))
}
