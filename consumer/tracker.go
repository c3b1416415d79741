package consumer

// tracker knows which of the delivered messages of one partition are
// acknowledged, and so up to which offset they all are. Messages are numbered
// in the order of delivery: their offsets grow, but may have gaps. It is not
// safe for concurrent use.
type tracker struct {
	ring []tracked // a power of two long; number n is at n & (len-1)
	head uint64    // the first message that is not acknowledged
	tail uint64    // the number of the next message
	last uint64    // offset of the message before head
	any  bool      // last is set: something is acknowledged
	// stamp is the server's time of the message before head; 0 when that was
	// not seen here.
	stamp uint64
}

// tracked is one delivered message.
type tracked struct {
	offset uint64
	stamp  uint64 // when the server stored it, in microseconds
	since  int64  // when it entered the window, in nanoseconds since the epoch
	done   bool
}

// startAt makes offset the acknowledged prefix, as it is when a partition is
// taken up at a stored offset. The tracker must be new.
func (t *tracker) startAt(offset uint64) { t.last, t.any = offset, true }

// add enters a message and gives its number. Offsets must grow.
func (t *tracker) add(offset, stamp uint64, since int64) uint64 {
	if t.tail-t.head == uint64(len(t.ring)) {
		t.grow()
	}
	n := t.tail
	*t.at(n) = tracked{offset: offset, stamp: stamp, since: since}
	t.tail++
	return n
}

func (t *tracker) at(n uint64) *tracked { return &t.ring[n&uint64(len(t.ring)-1)] }

func (t *tracker) grow() {
	ring := make([]tracked, max(16, 2*len(t.ring)))
	for n := t.head; n < t.tail; n++ {
		ring[n&uint64(len(ring)-1)] = *t.at(n)
	}
	t.ring = ring
}

// ack marks message n and tells whether the prefix grew. A message that is
// acknowledged already, or was cut off, changes nothing.
func (t *tracker) ack(n uint64) bool {
	if n < t.head || n >= t.tail {
		return false
	}
	t.at(n).done = true
	if n != t.head {
		return false
	}
	for t.head < t.tail && t.at(t.head).done {
		t.last, t.stamp, t.any = t.at(t.head).offset, t.at(t.head).stamp, true
		t.head++
	}
	return true
}

// cut forgets the messages from number n on: they were not given to anyone.
func (t *tracker) cut(n uint64) { t.tail = min(t.tail, max(n, t.head)) }

// prefix is the offset up to which every delivered message is acknowledged.
func (t *tracker) prefix() (offset uint64, ok bool) { return t.last, t.any }

// open is the number of messages from the first that is not acknowledged on.
func (t *tracker) open() int { return int(t.tail - t.head) }

// oldest is when the first message that is not acknowledged was entered.
func (t *tracker) oldest() (since int64, ok bool) {
	if t.tail == t.head {
		return 0, false
	}
	return t.at(t.head).since, true
}

// first is the offset of the first message that is not acknowledged.
func (t *tracker) first() (offset uint64, ok bool) {
	if t.tail == t.head {
		return 0, false
	}
	return t.at(t.head).offset, true
}
