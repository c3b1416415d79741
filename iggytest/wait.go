package iggytest

import "time"

// checkInterval is how often WaitFor checks a condition when no request is answered. Partitions
// that are handed over after a time-out, and messages that exceed the retention, change without a
// request.
const checkInterval = 50 * time.Millisecond

// WaitFor returns when condition returns true. It checks again after each answer to a request and
// after each end of a connection. It fails the test, with what in the message, when that takes
// more than 30 seconds.
func (s *Server) WaitFor(what string, condition func() bool) {
	s.tb.Helper()
	timeout := time.NewTimer(waitTimeout)
	defer timeout.Stop()
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	for {
		changed := s.nextChange()
		if condition() {
			return
		}
		select {
		case <-changed:
		case <-ticker.C:
		case <-timeout.C:
			s.tb.Fatalf("iggytest: waited %s for %s", waitTimeout, what)
		}
	}
}

// WaitMessages waits until a topic holds at least n messages and returns all of them. See
// [Server.Messages] and [Server.WaitFor].
func (s *Server) WaitMessages(stream, topic string, n int) []Message {
	s.tb.Helper()
	var messages []Message
	s.WaitFor("messages in "+stream+"/"+topic, func() bool {
		messages = s.Messages(stream, topic)
		return len(messages) >= n
	})
	return messages
}

// WaitCommitted waits until a consumer group has stored at least this offset for a partition. See
// [Server.Committed] and [Server.WaitFor].
func (s *Server) WaitCommitted(stream, topic, group string, partition uint32, offset uint64) {
	s.tb.Helper()
	s.WaitFor("an offset of the group "+group, func() bool {
		stored, ok := s.Committed(stream, topic, group, partition)
		return ok && stored >= offset
	})
}
