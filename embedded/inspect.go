package embedded

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"
)

// Connection describes a connection to the server.
type Connection struct {
	// Remote is the client's address.
	Remote net.Addr
	// ClientID is the number by which the protocol knows the client, a hash of its address.
	ClientID uint32
}

func (c *conn) describe() Connection {
	return Connection{Remote: c.remote, ClientID: c.clientID}
}

// Connections lists the open connections in the order of their arrival. One that has ended is in the list until it has
// been taken out of its groups.
func (s *Server) Connections() []Connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	conns := slices.Collect(maps.Keys(s.conns))
	slices.SortFunc(conns, func(a, b *conn) int { return cmp.Compare(a.id, b.id) })
	list := make([]Connection, len(conns))
	for i, c := range conns {
		list[i] = c.describe()
	}
	return list
}

// Message is a stored message. Its slices are copies.
type Message struct {
	Offset uint64
	// ID is the id that the client gave, or the random one that the server made.
	ID [16]byte
	// Timestamp is when the server stored the message, OriginTimestamp when the client says that it made it.
	Timestamp       time.Time
	OriginTimestamp time.Time
	Checksum        uint64
	Payload         []byte
	// UserHeaders are the encoded user headers: kind u8, length u32 and bytes for the key, then for the value.
	UserHeaders []byte
}

func nameIdentifier(name string) identifier { return identifier{named: true, name: name} }

func (s *Server) withTopic(streamName, topicName string, f func(*topic) error) error {
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	t, st := s.catalog.findTopic(nameIdentifier(streamName), nameIdentifier(topicName))
	if st != StatusOK {
		return fmt.Errorf("embedded: %s/%s: %s", streamName, topicName, st)
	}
	return f(t)
}

func (t *topic) partitionOrError(partition uint32) (*partition, error) {
	p := t.partition(partition)
	if p == nil {
		return nil, fmt.Errorf("embedded: %s/%s/%d: %s", t.stream.name, t.name, partition, StatusPartitionNotFound)
	}
	return p, nil
}

// Messages returns all messages that a partition holds, oldest first. It fails when there is no such partition.
func (s *Server) Messages(streamName, topicName string, partition uint32) ([]Message, error) {
	var list []Message
	err := s.withTopic(streamName, topicName, func(t *topic) error {
		p, err := t.partitionOrError(partition)
		if err != nil {
			return err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		list = make([]Message, 0, p.count)
		for _, c := range p.chunks {
			for i := range c.ends {
				list = append(list, decodeMessage(c.data[c.start(i):c.ends[i]]))
			}
		}
		return nil
	})
	return list, err
}

func decodeMessage(m []byte) Message {
	payload := messageHeaderSize + int(binary.LittleEndian.Uint32(m[payloadLengthAt:]))
	msg := Message{
		Offset:          binary.LittleEndian.Uint64(m[offsetAt:]),
		Timestamp:       time.UnixMicro(int64(binary.LittleEndian.Uint64(m[timestampAt:]))),
		OriginTimestamp: time.UnixMicro(int64(binary.LittleEndian.Uint64(m[originTimestampAt:]))),
		Checksum:        binary.LittleEndian.Uint64(m[checksumAt:]),
		Payload:         slices.Clone(m[messageHeaderSize:payload]),
		UserHeaders:     slices.Clone(m[payload:]),
	}
	copy(msg.ID[:], m[idAt:])
	return msg
}

// StoredOffset returns the offset that a consumer group has stored for a partition; ok is false when it has stored none.
// It fails when the topic, the group or the partition does not exist.
func (s *Server) StoredOffset(streamName, topicName, groupName string, partition uint32) (offset uint64, ok bool, err error) {
	err = s.withTopic(streamName, topicName, func(t *topic) error {
		g := t.findGroup(nameIdentifier(groupName))
		if g == nil {
			return fmt.Errorf("embedded: %s/%s: group %q: %s", streamName, topicName, groupName, StatusGroupNotFound)
		}
		p, err := t.partitionOrError(partition)
		if err != nil {
			return err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		offset, ok = p.groupOffsets[g.id]
		return nil
	})
	return offset, ok, err
}

// StoredConsumerOffset is [Server.StoredOffset] for a single consumer, by its name.
func (s *Server) StoredConsumerOffset(streamName, topicName, consumerName string, partition uint32) (offset uint64, ok bool, err error) {
	err = s.withTopic(streamName, topicName, func(t *topic) error {
		p, err := t.partitionOrError(partition)
		if err != nil {
			return err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		offset, ok = p.consumerOffsets[xxh32([]byte(consumerName))]
		return nil
	})
	return offset, ok, err
}

// GroupMember is a member of a consumer group.
type GroupMember struct {
	// ID is the number that the protocol shows, ClientID that of the member's connection (see [Connection]).
	ID       uint32
	ClientID uint32
	// Partitions are those that the member has, in the order in which it got them.
	Partitions []uint32
	// HandingOver are those of Partitions that will move to another member.
	HandingOver []uint32
}

// GroupMembers lists the members of a group in the order in which partitions are dealt. It fails when the topic or the
// group does not exist.
func (s *Server) GroupMembers(streamName, topicName, groupName string) ([]GroupMember, error) {
	var list []GroupMember
	err := s.withGroup(streamName, topicName, groupName, func(_ *topic, g *group) {
		g.members.each(func(_ uint32, m *member) {
			gm := GroupMember{ID: m.id, ClientID: m.client, Partitions: slices.Clone(m.partitions)}
			for _, h := range m.handovers {
				gm.HandingOver = append(gm.HandingOver, h.partition)
			}
			list = append(list, gm)
		})
	})
	return list, err
}

func (s *Server) withGroup(streamName, topicName, groupName string, f func(*topic, *group)) error {
	return s.withTopic(streamName, topicName, func(t *topic) error {
		g := t.findGroup(nameIdentifier(groupName))
		if g == nil {
			return fmt.Errorf("embedded: %s/%s: group %q: %s", streamName, topicName, groupName, StatusGroupNotFound)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		f(t, g)
		return nil
	})
}

// Rebalance assigns the partitions of a group among its members again, at once, as when a member leaves: what was polled and
// not committed will be delivered again, perhaps to another member.
func (s *Server) Rebalance(streamName, topicName, groupName string) error {
	return s.withGroup(streamName, topicName, groupName, func(_ *topic, g *group) { g.assignAll() })
}

// RemoveMember takes a client out of a group, as if it had left, without its knowledge; its polls then answer 5006.
func (s *Server) RemoveMember(streamName, topicName, groupName string, clientID uint32) error {
	return s.withTopic(streamName, topicName, func(t *topic) error {
		g := t.findGroup(nameIdentifier(groupName))
		if g == nil {
			return fmt.Errorf("embedded: %s/%s: group %q: %s", streamName, topicName, groupName, StatusGroupNotFound)
		}
		if !t.leave(g, clientID) {
			return fmt.Errorf("embedded: %s/%s: group %q: client %d: %s", streamName, topicName, groupName, clientID, StatusNotMember)
		}
		s.clients.removeGroup(clientID, groupRef{stream: t.stream.id, topic: t.id, group: g.id})
		return nil
	})
}

// DeleteGroup deletes a group with its offsets, as an operator would; its members' polls then answer 5000.
func (s *Server) DeleteGroup(streamName, topicName, groupName string) error {
	if err := s.deleteNamedGroup(streamName, topicName, groupName); err != nil {
		return err
	}
	return s.saveState()
}

func (s *Server) deleteNamedGroup(streamName, topicName, groupName string) error {
	s.catalog.mu.Lock()
	defer s.catalog.mu.Unlock()
	t, g, st := s.catalog.findGroup(nameIdentifier(streamName), nameIdentifier(topicName), nameIdentifier(groupName))
	if st != StatusOK {
		return fmt.Errorf("embedded: %s/%s: group %q: %s", streamName, topicName, groupName, st)
	}
	s.deleteGroup(t, g)
	return nil
}
