package embedded

import "fmt"

// Rebalance assigns the partitions of a group to its members again, at once, as when a member
// leaves. What was polled and not committed is delivered again, possibly to another member. It
// fails when the group does not exist.
func (s *Server) Rebalance(streamName, topicName, groupName string) error {
	return s.withGroup(streamName, topicName, groupName, (*group).assignAll)
}

// RemoveMember removes a client from a group as if it had left. The client does not learn of it:
// its next poll is answered with [StatusNotMember]. It fails when the client is not a member.
func (s *Server) RemoveMember(streamName, topicName, groupName string, clientID uint32) error {
	return s.withTopic(streamName, topicName, func(t *topic) error {
		g, err := t.groupByName(groupName)
		if err != nil {
			return err
		}
		if !t.removeMember(g, clientID) {
			return fmt.Errorf("embedded: %s/%s: group %q: client %d: %s", streamName, topicName, groupName, clientID, StatusNotMember)
		}
		s.clients.removeGroup(clientID, groupRef{stream: t.stream.id, topic: t.id, group: g.id})
		return nil
	})
}

// DeleteGroup deletes a group with its offsets. The next poll of its members is answered with
// [StatusGroupNotFound]. It fails when the group does not exist.
func (s *Server) DeleteGroup(streamName, topicName, groupName string) error {
	if err := s.deleteGroupByName(streamName, topicName, groupName); err != nil {
		return err
	}
	return s.saveState()
}

func (s *Server) deleteGroupByName(streamName, topicName, groupName string) error {
	s.catalog.mu.Lock()
	defer s.catalog.mu.Unlock()
	id := topicID{nameIdentifier(streamName), nameIdentifier(topicName)}
	t, g, st := s.catalog.findGroup(id, nameIdentifier(groupName))
	if st != StatusOK {
		return fmt.Errorf("embedded: %s/%s: group %q: %s", streamName, topicName, groupName, st)
	}
	s.deleteGroup(t, g)
	return nil
}
