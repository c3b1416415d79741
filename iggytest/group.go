package iggytest

// Rebalance assigns the partitions of a consumer group among its members again, at
// once: what was polled and not committed comes again, perhaps to another one.
// It fails when there is no such group.
func (s *Server) Rebalance(stream, topic, group string) error {
	defer s.notifyChange()
	return s.Embedded().Rebalance(stream, topic, group)
}

// RemoveMembers removes the members of a consumer group, without their knowledge:
// their polls and commits are answered with status 5006. The group and its
// offsets stay. It fails when there is no such group.
func (s *Server) RemoveMembers(stream, topic, group string) error {
	defer s.notifyChange()
	members, err := s.Embedded().GroupMembers(stream, topic, group)
	if err != nil {
		return err
	}
	for _, m := range members {
		// One that has left by itself meanwhile is none that fails.
		_ = s.Embedded().RemoveMember(stream, topic, group, m.ClientID)
	}
	return nil
}

// DeleteGroup deletes a consumer group with its offsets, as an operator would;
// its members are answered with status 5000. It fails when there is no such
// group.
func (s *Server) DeleteGroup(stream, topic, group string) error {
	defer s.notifyChange()
	return s.Embedded().DeleteGroup(stream, topic, group)
}
