package embedded

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
)

// Connection describes a connection to the server.
type Connection struct {
	// Remote is the address of the client.
	Remote net.Addr
	// ClientID is the number of the client in the protocol, a hash of its address.
	ClientID uint32
}

// Connections returns the open connections in the order in which they were accepted. A connection
// that ends stays in the list until it has left its groups.
func (s *Server) Connections() []Connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	conns := slices.Collect(maps.Keys(s.conns.all))
	slices.SortFunc(conns, func(a, b *conn) int { return cmp.Compare(a.id, b.id) })
	list := make([]Connection, len(conns))
	for i, c := range conns {
		list[i] = Connection{Remote: c.remote, ClientID: c.clientID}
	}
	return list
}

// Messages returns all messages that a partition holds, oldest first. It fails when there is no
// such partition.
func (s *Server) Messages(streamName, topicName string, partitionID uint32) ([]Message, error) {
	var list []Message
	err := s.withPartition(streamName, topicName, partitionID, func(p *partition) {
		p.mu.Lock()
		defer p.mu.Unlock()
		list = make([]Message, 0, p.count)
		for _, c := range p.chunks {
			for i := range c.ends {
				list = append(list, decodeMessage(c.data[c.start(i):c.ends[i]]))
			}
		}
	})
	return list, err
}

// StoredOffset returns the offset that a consumer group has stored for a partition. ok is false
// when it has stored none. It fails when the topic, the group or the partition does not exist.
func (s *Server) StoredOffset(streamName, topicName, groupName string, partitionID uint32) (offset uint64, ok bool, err error) {
	err = s.withTopic(streamName, topicName, func(t *topic) error {
		g, err := t.groupByName(groupName)
		if err != nil {
			return err
		}
		p, err := t.partitionByID(partitionID)
		if err != nil {
			return err
		}
		offset, ok = p.storedOffset(offsetOwner{group: g})
		return nil
	})
	return offset, ok, err
}

// StoredConsumerOffset is [Server.StoredOffset] for a single consumer, by its name.
func (s *Server) StoredConsumerOffset(streamName, topicName, consumerName string, partitionID uint32) (offset uint64, ok bool, err error) {
	err = s.withPartition(streamName, topicName, partitionID, func(p *partition) {
		offset, ok = p.storedOffset(offsetOwner{key: xxh32([]byte(consumerName))})
	})
	return offset, ok, err
}

// GroupMember is a member of a consumer group.
type GroupMember struct {
	// ClientID is the number of the member's client, see [Connection].
	ClientID uint32
	// Partitions are those that the member has, in the order in which it got them.
	Partitions []uint32
	// HandingOver are those of Partitions that move to another member after a commit or a time-out.
	HandingOver []uint32
}

// GroupMembers returns the members of a group in the order in which partitions are assigned. It
// fails when the topic or the group does not exist.
func (s *Server) GroupMembers(streamName, topicName, groupName string) ([]GroupMember, error) {
	var list []GroupMember
	err := s.withGroup(streamName, topicName, groupName, func(g *group) {
		g.members.each(func(_ uint32, m *member) {
			gm := GroupMember{ClientID: m.client, Partitions: slices.Clone(m.partitions)}
			for _, h := range m.handovers {
				gm.HandingOver = append(gm.HandingOver, h.partition)
			}
			list = append(list, gm)
		})
	})
	return list, err
}

// The functions below find objects by name for the exported methods.

func (s *Server) withTopic(streamName, topicName string, f func(*topic) error) error {
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	t, st := s.catalog.findTopic(topicID{nameIdentifier(streamName), nameIdentifier(topicName)})
	if st != StatusOK {
		return fmt.Errorf("embedded: %s/%s: %s", streamName, topicName, st)
	}
	return f(t)
}

func (s *Server) withPartition(streamName, topicName string, id uint32, f func(*partition)) error {
	return s.withTopic(streamName, topicName, func(t *topic) error {
		p, err := t.partitionByID(id)
		if err != nil {
			return err
		}
		f(p)
		return nil
	})
}

// withGroup calls f with the group's lock.
func (s *Server) withGroup(streamName, topicName, groupName string, f func(*group)) error {
	return s.withTopic(streamName, topicName, func(t *topic) error {
		g, err := t.groupByName(groupName)
		if err != nil {
			return err
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		f(g)
		return nil
	})
}

func (t *topic) partitionByID(id uint32) (*partition, error) {
	p := t.partition(id)
	if p == nil {
		return nil, fmt.Errorf("embedded: %s/%s/%d: %s", t.stream.name, t.name, id, StatusPartitionNotFound)
	}
	return p, nil
}

func (t *topic) groupByName(name string) (*group, error) {
	g := t.findGroup(nameIdentifier(name))
	if g == nil {
		return nil, fmt.Errorf("embedded: %s/%s: group %q: %s", t.stream.name, t.name, name, StatusGroupNotFound)
	}
	return g, nil
}
