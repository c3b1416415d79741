package deliver

// messageList is a first-in first-out list through Message.next.
type messageList struct {
	first, last *Message
	length      int
}

func (l *messageList) push(m *Message) {
	m.next = nil
	if l.last == nil {
		l.first = m
	} else {
		l.last.next = m
	}
	l.last = m
	l.length++
}

// unshift puts m before all others.
func (l *messageList) unshift(m *Message) {
	m.next = l.first
	if l.first = m; l.last == nil {
		l.last = m
	}
	l.length++
}

func (l *messageList) pop() *Message {
	m := l.first
	if m == nil {
		return nil
	}
	l.first = m.next
	if l.first == nil {
		l.last = nil
	}
	m.next = nil
	l.length--
	return m
}

// cut removes the messages whose number is seq or more and calls drop with them.
func (l *messageList) cut(seq uint64, drop func(*Message)) {
	kept := messageList{}
	for m := l.pop(); m != nil; m = l.pop() {
		if m.seq < seq {
			kept.push(m)
		} else {
			drop(m)
		}
	}
	*l = kept
}

// messageSet is a list through Message.prev and Message.next from which any may be removed.
type messageSet struct {
	first *Message
}

func (s *messageSet) add(m *Message) {
	m.prev, m.next = nil, s.first
	if s.first != nil {
		s.first.prev = m
	}
	s.first = m
}

func (s *messageSet) remove(m *Message) {
	if m.prev != nil {
		m.prev.next = m.next
	} else {
		s.first = m.next
	}
	if m.next != nil {
		m.next.prev = m.prev
	}
	m.prev, m.next = nil, nil
}

// fifo is a first-in first-out list that reuses its memory.
type fifo[T any] struct {
	items []T
	start int // the index of the first
}

func (f *fifo[T]) length() int { return len(f.items) - f.start }

func (f *fifo[T]) push(item T) {
	if f.start > 0 && len(f.items) == cap(f.items) {
		n := copy(f.items, f.items[f.start:])
		clear(f.items[n:])
		f.items, f.start = f.items[:n], 0
	}
	f.items = append(f.items, item)
}

// first is the first item of a list that is not empty.
func (f *fifo[T]) first() T { return f.items[f.start] }

// pop removes the first item of a list that is not empty.
func (f *fifo[T]) pop() T {
	var none T
	item := f.items[f.start]
	f.items[f.start] = none
	if f.start++; f.start == len(f.items) {
		f.items, f.start = f.items[:0], 0
	}
	return item
}
