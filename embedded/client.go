package embedded

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"
)

// clients are the connections as the protocol shows them. A client's number is the hash of its
// remote address, so two connections may have the same one.
type clients struct {
	mu   sync.Mutex
	byID map[uint32]*client
}

type client struct {
	id      uint32
	address string
	user    uint32
	groups  []groupRef
	conn    *conn
}

// groupRef names a group that a client has joined.
type groupRef struct{ stream, topic, group uint32 }

func newClients() *clients { return &clients{byID: map[uint32]*client{}} }

// add adds the client of a connection, or replaces it by one without a user and without groups.
func (cs *clients) add(id uint32, address string, c *conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.byID[id] = &client{id: id, address: address, user: noUser, conn: c}
}

// remove removes the client of a connection and returns the groups that it was in. It does nothing
// when the number belongs to another connection.
func (cs *clients) remove(id uint32, of *conn) []groupRef {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.byID[id]
	if c == nil || c.conn != of {
		return nil
	}
	delete(cs.byID, id)
	return c.groups
}

// removeUser removes the clients of a deleted user. Their connections stay open.
func (cs *clients) removeUser(user uint32) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for id, c := range cs.byID {
		if c.user == user {
			delete(cs.byID, id)
		}
	}
}

func (cs *clients) exists(id uint32) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.byID[id] != nil
}

func (cs *clients) setUser(id, user uint32) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c := cs.byID[id]; c != nil {
		c.user = user
	}
}

// addGroup notes that a client has joined a group, and reports whether the client exists.
func (cs *clients) addGroup(id uint32, ref groupRef) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.byID[id]
	if c == nil {
		return false
	}
	if !slices.Contains(c.groups, ref) {
		c.groups = append(c.groups, ref)
	}
	return true
}

// removeGroup notes that a client has left a group, and reports whether the client exists.
func (cs *clients) removeGroup(id uint32, ref groupRef) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.byID[id]
	if c == nil {
		return false
	}
	if i := slices.Index(c.groups, ref); i >= 0 {
		c.groups = slices.Delete(c.groups, i, i+1)
	}
	return true
}

// removeGroups removes the groups that match from all clients.
func (cs *clients) removeGroups(match func(groupRef) bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, c := range cs.byID {
		c.groups = slices.DeleteFunc(c.groups, match)
	}
}

// get returns a copy of one client.
func (cs *clients) get(id uint32) (client, bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.byID[id]
	if c == nil {
		return client{}, false
	}
	return c.clone(), true
}

func (c *client) clone() client {
	cp := *c
	cp.groups = slices.Clone(c.groups)
	return cp
}

// all returns copies of all clients, in the order in which they connected.
func (cs *clients) all() []client {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	list := make([]client, 0, len(cs.byID))
	for _, c := range cs.byID {
		list = append(list, c.clone())
	}
	slices.SortFunc(list, func(a, b client) int { return cmp.Compare(a.conn.id, b.conn.id) })
	return list
}

func (cs *clients) len() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.byID)
}

// appendClient writes `[u32 client][u32 user][u8 transport][u32 length][address]
// [u32 number of groups]`. The largest number stands for no user. Transport 1 is TCP.
func appendClient(b []byte, c client) []byte {
	b = binary.LittleEndian.AppendUint32(b, c.id)
	b = binary.LittleEndian.AppendUint32(b, c.user)
	b = append(b, 1)
	b = appendText(b, c.address)
	return binary.LittleEndian.AppendUint32(b, uint32(len(c.groups)))
}

// appendClientDetails writes what appendClient does and `[u32 stream][u32 topic][u32 group]` for
// each group.
func appendClientDetails(b []byte, c client) []byte {
	b = appendClient(b, c)
	for _, g := range c.groups {
		b = binary.LittleEndian.AppendUint32(b, g.stream)
		b = binary.LittleEndian.AppendUint32(b, g.topic)
		b = binary.LittleEndian.AppendUint32(b, g.group)
	}
	return b
}

// getMe answers the client of the connection itself, with its groups.
func (c *conn) getMe(none) Status {
	cl, ok := c.server.clients.get(c.clientID)
	if !ok {
		return StatusClientNotFound
	}
	c.out = appendClientDetails(c.out, cl)
	return StatusOK
}

// getClient answers a client with its groups, or nothing when there is none of this number.
func (c *conn) getClient(id uint32) Status {
	if id == 0 {
		return StatusInvalidClientID
	}
	if cl, ok := c.server.clients.get(id); ok {
		c.out = appendClientDetails(c.out, cl)
	}
	return StatusOK
}

// getClients answers all clients. The real server lists them in no particular order.
func (c *conn) getClients(none) Status {
	for _, cl := range c.server.clients.all() {
		c.out = appendClient(c.out, cl)
	}
	return StatusOK
}
