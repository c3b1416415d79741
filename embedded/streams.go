package embedded

import (
	"encoding/binary"
	"errors"
)

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

// getStream reads `[identifier]` and answers the stream followed by its topics, without their partitions, or nothing
// when there is no such stream.
func (c *conn) getStream(d *decoder) Status {
	id := d.identifier()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	cat := c.server.catalog
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	s, st := c.stream(id, canReadStream)
	if st != StatusOK {
		return orNothing(st)
	}
	c.out = appendStream(c.out, s)
	s.topics.each(func(_ uint32, t *topic) { c.out = appendTopic(c.out, t) })
	return StatusOK
}

// getStreams has no body and answers all streams one after the other.
func (c *conn) getStreams(d *decoder) Status {
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if !c.allowed(canReadStreams) {
		return StatusUnauthorized
	}
	cat := c.server.catalog
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	cat.streams.each(func(_ uint32, s *stream) { c.out = appendStream(c.out, s) })
	return StatusOK
}

// createStream reads `[name]` and answers the stream.
func (c *conn) createStream(d *decoder) Status {
	name := d.name()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if !c.allowed(canManageStreams) {
		return StatusUnauthorized
	}
	cat := c.server.catalog
	cat.mu.Lock()
	defer cat.mu.Unlock()
	if cat.streamsByName[name] != nil {
		return StatusStreamExists
	}
	s := cat.addStream(name, c.server.now())
	c.out = appendStream(c.out, s)
	return StatusOK
}

func (c *catalog) addStream(name string, now uint64) *stream {
	s := &stream{name: name, created: now, topicsByName: map[string]*topic{}}
	s.id = c.streams.insert(s)
	c.streamsByName[name] = s
	c.countChanges(1)
	return s
}

// deleteStream reads `[identifier]`.
func (c *conn) deleteStream(d *decoder) Status {
	id := d.identifier()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	cat := c.server.catalog
	cat.mu.Lock()
	defer cat.mu.Unlock()
	s, st := c.stream(id, canManageStream)
	if st != StatusOK {
		return st
	}
	s.topics.each(func(_ uint32, t *topic) { c.server.markDeleted(t.partitions) })
	cat.streams.remove(s.id)
	delete(cat.streamsByName, s.name)
	cat.countChanges(1)
	c.server.users.forgetStream(s.id)
	c.server.clients.removeGroups(func(r groupRef) bool { return r.stream == s.id })
	return StatusOK
}

// updateStream reads `[identifier][name]`.
func (c *conn) updateStream(d *decoder) Status {
	id, name := d.identifier(), d.name()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	cat := c.server.catalog
	cat.mu.Lock()
	defer cat.mu.Unlock()
	s, st := c.stream(id, canManageStream)
	if st != StatusOK {
		return st
	}
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

// purgeStream reads `[identifier]` and drops the messages and offsets of all topics.
func (c *conn) purgeStream(d *decoder) Status {
	id := d.identifier()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	cat := c.server.catalog
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	s, st := c.stream(id, canManageStream)
	if st != StatusOK {
		return st
	}
	var errs []error
	s.topics.each(func(_ uint32, t *topic) { errs = append(errs, t.purge()) })
	return c.purged(errors.Join(errs...))
}
