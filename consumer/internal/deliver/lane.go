package deliver

// lane holds the messages of one key. Its first one is ready, in flight, or waits for redelivery;
// the others wait behind it, so that the messages of a key are handled in order and one at a time,
// while those of other keys are delivered.
type lane struct {
	behind messageList
}

// lanes are the lanes of one queue, for the keys that have messages. Lanes are reused, since most
// have one message only.
type lanes struct {
	byKey map[string]*lane
	spare []*lane
}

// maxSpareLanes is how many empty lanes a queue keeps.
const maxSpareLanes = 256

// enter puts m in the lane of its key and reports whether it is ready: it is first, or has no key.
func (l *lanes) enter(m *Message) bool {
	if m.Key == "" {
		return true
	}
	if at, ok := l.byKey[m.Key]; ok {
		m.lane = at
		at.behind.push(m)
		return false
	}
	if n := len(l.spare); n > 0 {
		m.lane, l.spare = l.spare[n-1], l.spare[:n-1]
	} else {
		m.lane = new(lane)
	}
	if l.byKey == nil {
		l.byKey = map[string]*lane{}
	}
	l.byKey[m.Key] = m.lane
	return true
}

// leave takes m, which is first, out of its lane and returns the next message, which is ready now;
// nil when there is none.
func (l *lanes) leave(m *Message) *Message {
	at := m.lane
	if at == nil {
		return nil
	}
	m.lane = nil
	if next := at.behind.pop(); next != nil {
		return next
	}
	delete(l.byKey, m.Key)
	if len(l.spare) < maxSpareLanes {
		l.spare = append(l.spare, at)
	}
	return nil
}

// cut removes the messages numbered seq or more that wait behind others. The caller removes those
// that are first from the ready list, and ends their lanes.
func (l *lanes) cut(seq uint64, drop func(*Message)) {
	for _, at := range l.byKey {
		at.behind.cut(seq, drop)
	}
}

// end removes the empty lane of m, a message that was cut while it was first.
func (l *lanes) end(m *Message) {
	if m.lane != nil {
		delete(l.byKey, m.Key)
		m.lane = nil
	}
}
