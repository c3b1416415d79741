package embedded

import "time"

// getGroup answers the group followed by its members.
func (c *conn) getGroup(_ *topic, g *group) Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.out = appendGroup(c.out, g)
	g.members.each(func(_ uint32, m *member) { c.out = appendMember(c.out, m) })
	return StatusOK
}

// getGroups answers the groups of a topic, without their members.
func (c *conn) getGroups(t *topic, _ none) Status {
	t.groups.each(func(_ uint32, g *group) {
		g.mu.Lock()
		defer g.mu.Unlock()
		c.out = appendGroup(c.out, g)
	})
	return StatusOK
}

// createGroup answers the new group.
func (c *conn) createGroup(t *topic, name string) Status {
	if t.groupsByName[name] != nil {
		return StatusGroupExists
	}
	g := t.addGroup(name)
	c.server.catalog.countChanges(1)
	c.out = appendGroup(c.out, g)
	return StatusOK
}

// deleteGroup deletes a group with its offsets.
func (c *conn) deleteGroup(t *topic, g *group) Status {
	c.server.deleteGroup(t, g)
	return StatusOK
}

// joinGroup makes the connection a member. Joining twice changes nothing.
func (c *conn) joinGroup(t *topic, g *group) Status {
	s := c.server
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

// leaveGroup ends the membership of the connection.
func (c *conn) leaveGroup(t *topic, g *group) Status {
	s := c.server
	s.catalog.countChanges(1)
	if !t.removeMember(g, c.clientID) {
		return StatusNotMember
	}
	if !s.clients.removeGroup(c.clientID, groupRef{stream: t.stream.id, topic: t.id, group: g.id}) {
		return StatusStaleClient
	}
	return StatusOK
}
