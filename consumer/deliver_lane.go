package consumer

// lane holds the messages of one key. Its first one is with the application,
// about to be, or waits for its next delivery; the others wait behind it, so
// that a key is handled in order and one at a time while other keys go on.
type lane struct {
	queue messageQueue
}

// lanes are the lanes of one partition: those of keys that have messages. Lanes
// are used again, since most live for one message.
type lanes struct {
	byKey map[string]*lane
	free  []*lane
}

// maxSpareLanes is how many empty lanes a partition keeps.
const maxFreeLanes = 256

// enter puts r in its key's lane and tells whether it may run: it is first, or
// has no key.
func (l *lanes) add(msg *message) bool {
	if msg.key == "" {
		return true
	}
	if at, ok := l.byKey[msg.key]; ok {
		msg.lane = at
		at.queue.push(msg)
		return false
	}
	if n := len(l.free); n > 0 {
		msg.lane, l.free = l.free[n-1], l.free[:n-1]
	} else {
		msg.lane = new(lane)
	}
	if l.byKey == nil {
		l.byKey = map[string]*lane{}
	}
	l.byKey[msg.key] = msg.lane
	return true
}

// leave takes r, which is first, out of its lane and gives the next message,
// which may now run; nil when there is none.
func (l *lanes) release(msg *message) *message {
	at := msg.lane
	if at == nil {
		return nil
	}
	msg.lane = nil
	if next := at.queue.pop(); next != nil {
		return next
	}
	delete(l.byKey, msg.key)
	if len(l.free) < maxFreeLanes {
		l.free = append(l.free, at)
	}
	return nil
}

// cut removes the messages numbered seq or more that wait behind others. Those
// that are first are the caller's matter: it takes them out of the run queue
// and ends their lanes.
func (l *lanes) removeFrom(seq uint64, drop func(*message)) {
	for _, at := range l.byKey {
		at.queue.removeFrom(seq, drop)
	}
}

// end removes the empty lane of r, a message that was cut while it was first.
func (l *lanes) remove(msg *message) {
	if msg.lane != nil {
		delete(l.byKey, msg.key)
		msg.lane = nil
	}
}
