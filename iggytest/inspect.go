package iggytest

import (
	"time"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// Message is a stored message.
type Message struct {
	embedded.Message
	// Partition is the partition that holds it.
	Partition uint32
}

// Messages returns all messages that a topic holds, partition after partition,
// the oldest first. There are none when there is no such topic.
func (s *Server) Messages(stream, topic string) []Message {
	var all []Message
	for partition := uint32(0); ; partition++ {
		messages, err := s.Embedded().Messages(stream, topic, partition)
		if err != nil {
			return all
		}
		for _, m := range messages {
			all = append(all, Message{Message: m, Partition: partition})
		}
	}
}

// Committed returns the offset that a consumer group has stored for a
// partition, and whether it has stored one.
func (s *Server) Committed(stream, topic, group string, partition uint32) (uint64, bool) {
	offset, ok, err := s.Embedded().StoredOffset(stream, topic, group, partition)
	return offset, ok && err == nil
}

// Members returns how many members a consumer group has; 0 also when there is
// no such group.
func (s *Server) Members(stream, topic, group string) int {
	members, err := s.Embedded().GroupMembers(stream, topic, group)
	if err != nil {
		return 0
	}
	return len(members)
}

// recheck is for what the server does of itself, without a request: handing a
// partition over after the time-out, dropping what exceeds the retention.
const checkInterval = 50 * time.Millisecond

// WaitFor returns as soon as condition holds. It looks again whenever a request
// was answered or a connection ended. When the condition does not hold within
// 30 seconds it fails the test; what says what was waited for.
func (s *Server) WaitFor(what string, condition func() bool) {
	s.tb.Helper()
	timeout := time.NewTimer(waitTimeout)
	defer timeout.Stop()
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	for {
		changes := s.changes()
		if condition() {
			return
		}
		select {
		case <-changes:
		case <-ticker.C:
		case <-timeout.C:
			s.tb.Fatalf("iggytest: waited %s for %s", waitTimeout, what)
		}
	}
}

// WaitMessages waits until a topic holds at least n messages and returns all of
// them; see Messages and WaitFor.
func (s *Server) WaitMessages(stream, topic string, n int) []Message {
	s.tb.Helper()
	var messages []Message
	s.WaitFor("messages in "+stream+"/"+topic, func() bool {
		messages = s.Messages(stream, topic)
		return len(messages) >= n
	})
	return messages
}

// WaitCommitted waits until a consumer group has stored at least this offset
// for a partition; see Committed and WaitFor.
func (s *Server) WaitCommitted(stream, topic, group string, partition uint32, offset uint64) {
	s.tb.Helper()
	s.WaitFor("an offset of the group "+group, func() bool {
		stored, ok := s.Committed(stream, topic, group, partition)
		return ok && stored >= offset
	})
}
