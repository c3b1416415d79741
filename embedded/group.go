package embedded

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// group is a consumer group. When a member joins, partitions move to it one by one and only after
// their owners have committed, see [group.join]. When a member leaves, all partitions are assigned
// again at once, see [group.assignAll].
type group struct {
	id   uint32
	name string

	mu             sync.Mutex
	partitionCount uint32 // of the topic
	members        slab[member]
}

// member is a connection in a group. Its slot in the slab decides which partitions it is assigned.
// Its id is the number that clients see.
type member struct {
	slot       uint32
	id         uint32
	client     uint32
	partitions []uint32
	// cursor is the position in partitions of the next poll that names no partition, one for each
	// copy of the metadata: see [catalog.metadataVersion].
	cursor    [2]int
	handovers []handover
}

// addGroup needs the catalog's lock for writing.
func (t *topic) addGroup(name string) *group {
	g := &group{name: name, partitionCount: uint32(len(t.partitions))}
	g.id = t.groups.insert(g)
	t.groupsByName[name] = g
	return g
}

// deleteGroup deletes a group with its offsets. It needs the catalog's lock for writing.
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

// removeMember removes a client from a group and reports whether it was a member. What was polled
// from its partitions is forgotten, so that their next handover waits for no commit.
func (t *topic) removeMember(g *group, client uint32) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	partitions, ok := g.leave(client)
	for _, id := range partitions {
		if p := t.partition(id); p != nil {
			p.clearPolled(g.id)
		}
	}
	return ok
}

// leaveGroups removes a connection that has ended from its groups.
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
			t.removeMember(g, c.clientID)
		}
	}
}

func (m *member) owns(partition uint32) bool { return slices.Contains(m.partitions, partition) }

// The methods below need the group's lock.

func (g *group) memberOf(client uint32) *member {
	for _, m := range g.members.slots {
		if m != nil && m.client == client {
			return m
		}
	}
	return nil
}

// assignAll assigns partition i to the member at position i mod n, at once, without waiting for
// commits of the former owners.
func (g *group) assignAll() {
	var all []*member
	g.members.each(func(_ uint32, m *member) { all = append(all, m) })
	if len(all) == 0 || g.partitionCount == 0 {
		return
	}
	for _, m := range all {
		m.partitions, m.handovers = nil, nil
	}
	for i := range g.partitionCount {
		m := all[int(i)%len(all)]
		m.partitions = append(m.partitions, i)
	}
}

// join adds a member and plans a handover to it. exists reports whether a client is still
// connected. Members that are not are removed first. Joining twice changes nothing.
func (g *group) join(client uint32, exists func(uint32) bool, now time.Time) {
	for slot, m := range g.members.slots {
		if m != nil && !exists(m.client) {
			g.members.remove(uint32(slot))
		}
	}
	if g.memberOf(client) != nil {
		return
	}
	id := uint32(0)
	g.members.each(func(_ uint32, m *member) { id = max(id, m.id+1) })
	m := &member{id: id, client: client}
	m.slot = g.members.insert(m)
	if g.partitionCount > 0 {
		g.assignUnowned()
		g.planHandovers(now)
	}
}

// leave removes a client and assigns all partitions again. It returns the partitions that the
// client had and whether it was a member.
func (g *group) leave(client uint32) ([]uint32, bool) {
	m := g.memberOf(client)
	if m == nil {
		return nil, false
	}
	partitions := m.partitions
	g.members.remove(m.slot)
	g.assignAll()
	return partitions, true
}

// setPartitionCount assigns all partitions again after their number has changed. When none is left,
// the members keep partitions that no longer exist, as on the real server.
func (g *group) setPartitionCount(count uint32) {
	g.partitionCount = count
	g.assignAll()
}

// assignUnowned assigns the partitions without an owner to the members without a partition.
func (g *group) assignUnowned() {
	var idle []*member
	owned := make([]bool, g.partitionCount)
	g.members.each(func(_ uint32, m *member) {
		if len(m.partitions) == 0 {
			idle = append(idle, m)
		}
		for _, p := range m.partitions {
			if p < g.partitionCount {
				owned[p] = true
			}
		}
	})
	if len(idle) == 0 {
		return
	}
	next := 0
	for p := range g.partitionCount {
		if !owned[p] {
			m := idle[next%len(idle)]
			m.partitions = append(m.partitions, p)
			next++
		}
	}
}

// nextPartition returns the partition at the member's cursor, leaving out those that are to be
// handed over. With advance it moves the cursor. Since there is a cursor for each copy of the
// metadata, any change on the server can make a member skip or repeat partitions, as on the real
// server.
func (m *member) nextPartition(metadataCopy int, advance bool) (uint32, bool) {
	n := len(m.partitions) - len(m.handovers)
	if n <= 0 {
		return 0, false
	}
	i := m.cursor[metadataCopy] % n
	if advance {
		m.cursor[metadataCopy] = (m.cursor[metadataCopy] + 1) % n
	}
	for _, p := range m.partitions {
		if m.isHandingOver(p) {
			continue
		}
		if i == 0 {
			return p, true
		}
		i--
	}
	return 0, false
}

// appendGroup writes `[u32 id][u32 partitions][u32 members][name]`.
func appendGroup(b []byte, g *group) []byte {
	b = binary.LittleEndian.AppendUint32(b, g.id)
	b = binary.LittleEndian.AppendUint32(b, g.partitionCount)
	b = binary.LittleEndian.AppendUint32(b, uint32(g.members.len()))
	return appendName(b, g.name)
}

// appendMember writes `[u32 id][u32 n][n × u32 partition]`.
func appendMember(b []byte, m *member) []byte {
	b = binary.LittleEndian.AppendUint32(b, m.id)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.partitions)))
	for _, p := range m.partitions {
		b = binary.LittleEndian.AppendUint32(b, p)
	}
	return b
}
