package consumer

// lane holds the messages of one key. Its first message is with the application, about to be, or
// waits for redelivery. The others wait behind it, so that a key is handled in order and one at a
// time while other keys continue.
type lane struct {
	queue messageQueue
}

// lanes are the lanes of one partition: those of keys that have messages. Lanes are reused, since
// most exist for one message.
type lanes struct {
	byKey map[string]*lane
	free  []*lane
}

// maxFreeLanes is how many empty lanes a partition keeps for reuse.
const maxFreeLanes = 256

// add adds msg to the lane of its key and reports whether msg may be delivered: it is first in its
// lane or has no key.
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

// release takes msg, which is first, out of its lane and returns the next message, which may be
// delivered now; nil when there is none.
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

// removeFrom removes the messages numbered seq or more that wait behind others. The caller removes
// those that are first from the ready queue, and their lanes by remove.
func (l *lanes) removeFrom(seq uint64, drop func(*message)) {
	for _, at := range l.byKey {
		at.queue.removeFrom(seq, drop)
	}
}

// remove removes the empty lane of msg, which was removed while it was first.
func (l *lanes) remove(msg *message) {
	if msg.lane != nil {
		delete(l.byKey, msg.key)
		msg.lane = nil
	}
}
