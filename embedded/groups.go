package embedded

import (
	"encoding/binary"
	"time"

	"go.uber.org/zap"
)

// appendGroup writes `[u32 id][u32 partitions][u32 members][name]`. It needs the group's lock.
func appendGroup(b []byte, g *group) []byte {
	b = binary.LittleEndian.AppendUint32(b, g.id)
	b = binary.LittleEndian.AppendUint32(b, g.partitionCount)
	b = binary.LittleEndian.AppendUint32(b, uint32(g.members.len()))
	return appendName(b, g.name)
}

// getGroup reads `[identifier stream][identifier topic][identifier group]` and answers the group followed by its
// members, `[u32 id][u32 n][n × u32 partition]` each, or nothing when there is no such group, topic or stream.
func (c *conn) getGroup(d *decoder) Status {
	streamID, topicID, groupID := d.identifier(), d.identifier(), d.identifier()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	cat := c.server.catalog
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	_, g, st := c.group(streamID, topicID, groupID)
	if st != StatusOK {
		return orNothing(st)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c.out = appendGroup(c.out, g)
	g.members.each(func(_ uint32, m *member) {
		c.out = binary.LittleEndian.AppendUint32(c.out, m.id)
		c.out = binary.LittleEndian.AppendUint32(c.out, uint32(len(m.partitions)))
		for _, p := range m.partitions {
			c.out = binary.LittleEndian.AppendUint32(c.out, p)
		}
	})
	return StatusOK
}

// getGroups reads `[identifier stream][identifier topic]` and answers the groups, without their members.
func (c *conn) getGroups(d *decoder) Status {
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
	t.groups.each(func(_ uint32, g *group) {
		g.mu.Lock()
		defer g.mu.Unlock()
		c.out = appendGroup(c.out, g)
	})
	return StatusOK
}

// createGroup reads `[identifier stream][identifier topic][name]` and answers the group.
func (c *conn) createGroup(d *decoder) Status {
	streamID, topicID, name := d.identifier(), d.identifier(), d.name()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	cat := c.server.catalog
	cat.mu.Lock()
	defer cat.mu.Unlock()
	t, st := c.topic(streamID, topicID, canReadTopic)
	if st != StatusOK {
		return st
	}
	if t.groupsByName[name] != nil {
		return StatusGroupExists
	}
	g := t.addGroup(name)
	cat.countChanges(1)
	c.out = appendGroup(c.out, g)
	return StatusOK
}

func (t *topic) addGroup(name string) *group {
	g := &group{name: name, partitionCount: uint32(len(t.partitions))}
	g.id = t.groups.insert(g)
	t.groupsByName[name] = g
	return g
}

// deleteGroup reads `[identifier stream][identifier topic][identifier group]`. The group's offsets go with it.
func (c *conn) deleteGroup(d *decoder) Status {
	streamID, topicID, groupID := d.identifier(), d.identifier(), d.identifier()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	cat := c.server.catalog
	cat.mu.Lock()
	defer cat.mu.Unlock()
	t, g, st := c.group(streamID, topicID, groupID)
	if st != StatusOK {
		return st
	}
	c.server.deleteGroup(t, g)
	return StatusOK
}

func (c *catalog) findGroup(streamID, topicID, groupID identifier) (*topic, *group, Status) {
	t, st := c.findTopic(streamID, topicID)
	if st != StatusOK {
		return nil, nil, st
	}
	g := t.findGroup(groupID)
	if g == nil {
		return nil, nil, StatusGroupNotFound
	}
	return t, g, StatusOK
}

// dropGroup needs the catalog's lock for writing.
func (s *Server) deleteGroup(t *topic, g *group) {
	t.groups.remove(g.id)
	delete(t.groupsByName, g.name)
	s.catalog.countChanges(1)
	ref := groupRef{stream: t.stream.id, topic: t.id, group: g.id}
	s.clients.removeGroups(func(r groupRef) bool { return r == ref })
	for _, p := range t.partitions {
		p.mu.Lock()
		if _, ok := p.groupOffsets[g.id]; ok {
			delete(p.groupOffsets, g.id)
			p.writeOffset(offsetOwner{group: g}, 0, true)
		}
		p.mu.Unlock()
	}
}

// joinGroup reads `[identifier stream][identifier topic][identifier group]`. Joining twice changes nothing.
func (c *conn) joinGroup(d *decoder) Status {
	streamID, topicID, groupID := d.identifier(), d.identifier(), d.identifier()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	s := c.server
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	t, g, st := c.group(streamID, topicID, groupID)
	if st != StatusOK {
		return st
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.join(c.clientID, s.clients.exists, time.Now())
	s.catalog.countChanges(1)
	s.completeCommittedHandovers(t, g)
	if !s.clients.addGroup(c.clientID, groupRef{stream: t.stream.id, topic: t.id, group: g.id}) {
		return StatusStaleClient
	}
	return StatusOK
}

// settle completes the handovers of partitions that were never polled or are committed up to the last poll. It needs the
// locks of the catalog and the group.
func (s *Server) completeCommittedHandovers(t *topic, g *group) {
	s.completeHandovers(t, g, "committed", g.pendingHandovers(func(h handover) bool {
		p := t.partition(h.partition)
		return p != nil && p.polledIsCommitted(g.id)
	}))
}

// handOver completes handovers. It needs the locks of the catalog and the group.
func (s *Server) completeHandovers(t *topic, g *group, why string, all []pendingHandover) {
	for _, d := range all {
		g.completeHandover(d.from, d.partition)
		s.catalog.countChanges(1)
		s.log.Debug("partition handed over", zap.String("stream", t.stream.name), zap.String("topic", t.name),
			zap.String("group", g.name), zap.Uint32("partition", d.partition), zap.String("why", why))
	}
}

// leaveGroup reads `[identifier stream][identifier topic][identifier group]`.
func (c *conn) leaveGroup(d *decoder) Status {
	streamID, topicID, groupID := d.identifier(), d.identifier(), d.identifier()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	s := c.server
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	t, g, st := c.group(streamID, topicID, groupID)
	if st != StatusOK {
		return st
	}
	s.catalog.countChanges(1)
	if !t.leave(g, c.clientID) {
		return StatusNotMember
	}
	if !s.clients.removeGroup(c.clientID, groupRef{stream: t.stream.id, topic: t.id, group: g.id}) {
		return StatusStaleClient
	}
	return StatusOK
}

// leave removes a client from a group. What was polled from its partitions is forgotten, so that their next move waits
// for nothing.
func (t *topic) leave(g *group, client uint32) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	had, ok := g.leave(client)
	for _, id := range had {
		if p := t.partition(id); p != nil {
			p.clearPolled(g.id)
		}
	}
	return ok
}

// disconnect takes a connection that has ended out of its groups.
func (s *Server) leaveGroups(c *conn) {
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	for _, ref := range s.clients.remove(c.clientID, c) {
		st := s.catalog.streams.get(ref.stream)
		if st == nil {
			continue
		}
		t := st.topics.get(ref.topic)
		if t == nil {
			continue
		}
		s.catalog.countChanges(1)
		if g := t.groups.get(ref.group); g != nil {
			t.leave(g, c.clientID)
		}
	}
}

// watchHandovers moves the partitions whose owners have not committed in time.
func (s *Server) expireHandoversPeriodically() {
	tick := time.NewTicker(min(max(s.opts.handoverTimeout/8, time.Millisecond), 5*time.Second))
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-tick.C:
			s.expireHandovers(now)
		}
	}
}

func (s *Server) expireHandovers(now time.Time) {
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	s.catalog.streams.each(func(_ uint32, st *stream) {
		st.topics.each(func(_ uint32, t *topic) {
			t.groups.each(func(_ uint32, g *group) {
				g.mu.Lock()
				defer g.mu.Unlock()
				s.completeHandovers(t, g, "timed out", g.pendingHandovers(func(h handover) bool { return now.Sub(h.since) >= s.opts.handoverTimeout }))
			})
		})
	})
}
