package consumer

// lane holds the messages of one key. Its first one is with the application,
// about to be, or waits for its next delivery; the others wait behind it, so
// that a key is handled in order and one at a time while other keys go on.
type lane struct {
	behind messageQueue
}

// lanes are the lanes of one partition: those of keys that have messages. Lanes
// are used again, since most live for one message.
type lanes struct {
	byKey map[string]*lane
	spare []*lane
}

// maxSpareLanes is how many empty lanes a partition keeps.
const maxSpareLanes = 256

// enter puts r in its key's lane and tells whether it may run: it is first, or
// has no key.
func (l *lanes) enter(r *message) bool {
	if r.key == "" {
		return true
	}
	if at, ok := l.byKey[r.key]; ok {
		r.lane = at
		at.behind.push(r)
		return false
	}
	if n := len(l.spare); n > 0 {
		r.lane, l.spare = l.spare[n-1], l.spare[:n-1]
	} else {
		r.lane = new(lane)
	}
	if l.byKey == nil {
		l.byKey = map[string]*lane{}
	}
	l.byKey[r.key] = r.lane
	return true
}

// leave takes r, which is first, out of its lane and gives the next message,
// which may now run; nil when there is none.
func (l *lanes) leave(r *message) *message {
	at := r.lane
	if at == nil {
		return nil
	}
	r.lane = nil
	if next := at.behind.pop(); next != nil {
		return next
	}
	delete(l.byKey, r.key)
	if len(l.spare) < maxSpareLanes {
		l.spare = append(l.spare, at)
	}
	return nil
}

// cut removes the messages numbered seq or more that wait behind others. Those
// that are first are the caller's matter: it takes them out of the run queue
// and ends their lanes.
func (l *lanes) cut(seq uint64, drop func(*message)) {
	for _, at := range l.byKey {
		at.behind.cut(seq, drop)
	}
}

// end removes the empty lane of r, a message that was cut while it was first.
func (l *lanes) end(r *message) {
	if r.lane != nil {
		delete(l.byKey, r.key)
		r.lane = nil
	}
}
