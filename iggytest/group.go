package iggytest

// Rebalance assigns the partitions of a consumer group to its members again, at once. What was
// polled and not committed is delivered again, possibly to another member. It fails when there is
// no such group.
func (s *Server) Rebalance(stream, topic, group string) error {
	defer s.notifyChange()
	return s.Embedded().Rebalance(stream, topic, group)
}

// RemoveMembers removes the members of a consumer group. They do not learn of it: their polls and
// commits are answered with [embedded.StatusNotMember]. The group and its offsets stay. It fails
// when there is no such group.
func (s *Server) RemoveMembers(stream, topic, group string) error {
	defer s.notifyChange()
	members, err := s.Embedded().GroupMembers(stream, topic, group)
	if err != nil {
		return err
	}
	for _, m := range members {
		// The error says that the member has left meanwhile.
		_ = s.Embedded().RemoveMember(stream, topic, group, m.ClientID)
	}
	return nil
}

// DeleteGroup deletes a consumer group with its offsets. Its members are answered with
// [embedded.StatusGroupNotFound]. It fails when there is no such group.
func (s *Server) DeleteGroup(stream, topic, group string) error {
	defer s.notifyChange()
	return s.Embedded().DeleteGroup(stream, topic, group)
}
