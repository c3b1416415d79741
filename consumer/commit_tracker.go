package consumer

// tracker knows which of a partition's messages are acknowledged, and so the acknowledged prefix.
// Messages are numbered in the order of delivery: their offsets grow, but may have gaps. A tracker
// is not safe for concurrent use.
type tracker struct {
	ring      []trackedMessage // a power of two long; number n is at n & (len-1)
	ackedEnd  uint64           // the number of the first message that is not acknowledged
	end       uint64           // the number of the next message
	lastAcked uint64           // the offset of the message before ackedEnd
	hasAcked  bool             // lastAcked is set
	// timestamp is the server's time of the message before ackedEnd; 0 when that was not seen here.
	timestamp uint64
}

// trackedMessage is one message in a tracker.
type trackedMessage struct {
	offset    uint64
	timestamp uint64 // when the server stored it, in microseconds
	addedAt   int64  // when it was admitted, in nanoseconds since the epoch
	acked     bool
}

// startAt makes offset the acknowledged prefix, for an assignment that starts at a stored offset.
// The tracker must be new.
func (t *tracker) startAt(offset uint64) { t.lastAcked, t.hasAcked = offset, true }

// add adds a message and returns its number. Offsets must grow.
func (t *tracker) add(offset, stamp uint64, since int64) uint64 {
	if t.end-t.ackedEnd == uint64(len(t.ring)) {
		t.grow()
	}
	n := t.end
	*t.at(n) = trackedMessage{offset: offset, timestamp: stamp, addedAt: since}
	t.end++
	return n
}

func (t *tracker) at(n uint64) *trackedMessage { return &t.ring[n&uint64(len(t.ring)-1)] }

func (t *tracker) grow() {
	ring := make([]trackedMessage, max(16, 2*len(t.ring)))
	for n := t.ackedEnd; n < t.end; n++ {
		ring[n&uint64(len(ring)-1)] = *t.at(n)
	}
	t.ring = ring
}

// ack acknowledges message n and reports whether the prefix grew. A message that is acknowledged
// already, or was truncated, changes nothing.
func (t *tracker) ack(n uint64) bool {
	if n < t.ackedEnd || n >= t.end {
		return false
	}
	t.at(n).acked = true
	if n != t.ackedEnd {
		return false
	}
	for t.ackedEnd < t.end && t.at(t.ackedEnd).acked {
		t.lastAcked, t.timestamp, t.hasAcked = t.at(t.ackedEnd).offset, t.at(t.ackedEnd).timestamp, true
		t.ackedEnd++
	}
	return true
}

// truncate forgets the messages from number n on, which were not delivered.
func (t *tracker) truncate(n uint64) { t.end = min(t.end, max(n, t.ackedEnd)) }

// prefix returns the offset up to which every message is acknowledged.
func (t *tracker) prefix() (offset uint64, ok bool) { return t.lastAcked, t.hasAcked }

// pending is the number of messages from the first one on that is not acknowledged.
func (t *tracker) pending() int { return int(t.end - t.ackedEnd) }

// oldestPending returns when the first message that is not acknowledged was added.
func (t *tracker) oldestPending() (since int64, ok bool) {
	if t.end == t.ackedEnd {
		return 0, false
	}
	return t.at(t.ackedEnd).addedAt, true
}

// firstPending returns the offset of the first message that is not acknowledged.
func (t *tracker) firstPending() (offset uint64, ok bool) {
	if t.end == t.ackedEnd {
		return 0, false
	}
	return t.at(t.ackedEnd).offset, true
}
