package embedded

import (
	"encoding/binary"
	"slices"
	"sync"
)

// clients are the connections as the protocol shows them: by a number that is the hash of the remote address.
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

func (cs *clients) add(id uint32, address string, c *conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.byID[id] = &client{id: id, address: address, user: noUser, conn: c}
}

// remove forgets the client of a connection and returns the groups that it was in. The number may be another's by now:
// it is a hash.
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

// removeUser forgets the clients of a deleted user; their connections stay open, as strangers.
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

// reset makes the client anew, as a connection that moves to another shard of the real server is.
func (cs *clients) reset(id uint32, address string, c *conn) { cs.add(id, address, c) }

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

// dropGroups forgets the groups that match in all clients.
func (cs *clients) removeGroups(match func(groupRef) bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, c := range cs.byID {
		c.groups = slices.DeleteFunc(c.groups, match)
	}
}

// snapshot copies one client.
func (cs *clients) get(id uint32) (client, bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.byID[id]
	if c == nil {
		return client{}, false
	}
	cp := *c
	cp.groups = slices.Clone(c.groups)
	return cp, true
}

// all copies every client, in the order of their arrival.
func (cs *clients) all() []client {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	list := make([]client, 0, len(cs.byID))
	for _, c := range cs.byID {
		cp := *c
		cp.groups = slices.Clone(c.groups)
		list = append(list, cp)
	}
	slices.SortFunc(list, func(a, b client) int { return int(int64(a.conn.id) - int64(b.conn.id)) })
	return list
}

func (cs *clients) len() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.byID)
}

// appendClient writes `[u32 client][u32 user][u8 transport][u32 length][address][u32 number of groups]`. No user is the
// largest number, transport 1 is TCP.
func appendClient(b []byte, c client) []byte {
	b = binary.LittleEndian.AppendUint32(b, c.id)
	b = binary.LittleEndian.AppendUint32(b, c.user)
	b = append(b, 1)
	b = appendText(b, c.address)
	return binary.LittleEndian.AppendUint32(b, uint32(len(c.groups)))
}

// appendClientDetails is appendClient followed by `[u32 stream][u32 topic][u32 group]` for each group.
func appendClientDetails(b []byte, c client) []byte {
	b = appendClient(b, c)
	for _, g := range c.groups {
		b = binary.LittleEndian.AppendUint32(b, g.stream)
		b = binary.LittleEndian.AppendUint32(b, g.topic)
		b = binary.LittleEndian.AppendUint32(b, g.group)
	}
	return b
}
