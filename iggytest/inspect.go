package iggytest

// Messages returns all messages that a topic holds, sorted by partition and offset. It returns none
// when there is no such topic.
func (s *Server) Messages(stream, topic string) []Message {
	var all []Message
	for partition := uint32(0); ; partition++ {
		messages, err := s.Embedded().Messages(stream, topic, partition)
		if err != nil {
			return all
		}
		for _, m := range messages {
			all = append(all, newMessage(m, partition))
		}
	}
}

// Committed returns the offset that a consumer group has stored for a partition, and whether it has
// stored one.
func (s *Server) Committed(stream, topic, group string, partition uint32) (uint64, bool) {
	offset, ok, err := s.Embedded().StoredOffset(stream, topic, group, partition)
	return offset, ok && err == nil
}

// Members returns how many members a consumer group has, and 0 when there is no such group.
func (s *Server) Members(stream, topic, group string) int {
	members, err := s.Embedded().GroupMembers(stream, topic, group)
	if err != nil {
		return 0
	}
	return len(members)
}
