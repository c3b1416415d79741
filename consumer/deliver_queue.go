package consumer

// messageQueue is a first-in first-out list through message.next.
type messageQueue struct {
	first, last *message
	length      int
}

func (q *messageQueue) push(msg *message) {
	msg.next = nil
	if q.last == nil {
		q.first = msg
	} else {
		q.last.next = msg
	}
	q.last = msg
	q.length++
}

// pushFront puts msg before all others.
func (q *messageQueue) pushFront(msg *message) {
	msg.next = q.first
	if q.first = msg; q.last == nil {
		q.last = msg
	}
	q.length++
}

func (q *messageQueue) pop() *message {
	msg := q.first
	if msg == nil {
		return nil
	}
	q.first = msg.next
	if q.first == nil {
		q.last = nil
	}
	msg.next = nil
	q.length--
	return msg
}

// removeFrom removes the messages numbered seq or more and passes them to drop.
func (q *messageQueue) removeFrom(seq uint64, drop func(*message)) {
	kept := messageQueue{}
	for msg := q.pop(); msg != nil; msg = q.pop() {
		if msg.seq < seq {
			kept.push(msg)
		} else {
			drop(msg)
		}
	}
	*q = kept
}

// messageSet is a list of messages through message.prev and message.next, from which any one may be
// removed.
type messageSet struct {
	first  *message
	length int
}

func (s *messageSet) add(msg *message) {
	msg.prev, msg.next = nil, s.first
	if s.first != nil {
		s.first.prev = msg
	}
	s.first = msg
	s.length++
}

func (s *messageSet) remove(msg *message) {
	if msg.prev != nil {
		msg.prev.next = msg.next
	} else {
		s.first = msg.next
	}
	if msg.next != nil {
		msg.next.prev = msg.prev
	}
	msg.prev, msg.next = nil, nil
	s.length--
}
