package commit

// Tracker computes the acknowledged prefix: it knows which of the admitted messages of an
// assignment are acknowledged. It numbers messages in the order of their offsets, which grow but
// may have gaps. It is not safe for concurrent use.
type Tracker struct {
	ring   []tracked // a power of two long; number n is at n & (len-1)
	tail   uint64    // the number of the next message
	prefix Prefix    // its Seq is the number of the first message that is not acknowledged
}

// tracked is one admitted message.
type tracked struct {
	offset    uint64
	timestamp uint64 // when the server stored it, in microseconds since the epoch
	since     int64  // when it was admitted, in nanoseconds since the epoch
	done      bool
}

// StartAt makes offset the acknowledged prefix, as it is when a partition is assigned that has a
// committed offset. The tracker must be new.
func (t *Tracker) StartAt(offset uint64) { t.prefix.Offset, t.prefix.Any = offset, true }

// Add enters a message and returns its number. Offsets must grow. since is when it was admitted, in
// nanoseconds since the epoch.
func (t *Tracker) Add(offset, timestamp uint64, since int64) uint64 {
	if t.Open() == len(t.ring) {
		t.grow()
	}
	n := t.tail
	*t.at(n) = tracked{offset: offset, timestamp: timestamp, since: since}
	t.tail++
	return n
}

func (t *Tracker) at(n uint64) *tracked { return &t.ring[n&uint64(len(t.ring)-1)] }

func (t *Tracker) grow() {
	ring := make([]tracked, max(16, 2*len(t.ring)))
	for n := t.FirstOpen(); n < t.tail; n++ {
		ring[n&uint64(len(ring)-1)] = *t.at(n)
	}
	t.ring = ring
}

// Ack marks message n as acknowledged and reports whether the prefix has grown. A message that is
// acknowledged already, or was cut off, changes nothing.
func (t *Tracker) Ack(n uint64) bool {
	if n < t.FirstOpen() || n >= t.tail {
		return false
	}
	t.at(n).done = true
	if n != t.FirstOpen() {
		return false
	}
	for n := t.prefix.Seq; n < t.tail && t.at(n).done; n++ {
		at := t.at(n)
		t.prefix = Prefix{Seq: n + 1, Offset: at.offset, Timestamp: at.timestamp, Any: true}
	}
	return true
}

// Cut forgets the messages from number n on, which were not delivered.
func (t *Tracker) Cut(n uint64) { t.tail = min(t.tail, max(n, t.FirstOpen())) }

// Prefix returns the acknowledged prefix.
func (t *Tracker) Prefix() Prefix { return t.prefix }

// FirstOpen returns the number of the first message that is not acknowledged.
func (t *Tracker) FirstOpen() uint64 { return t.prefix.Seq }

// Tail returns the number of the next message.
func (t *Tracker) Tail() uint64 { return t.tail }

// Open returns the number of messages from the first that is not acknowledged on.
func (t *Tracker) Open() int { return int(t.tail - t.prefix.Seq) }

// Unacknowledged returns how many messages with numbers below n are not acknowledged.
func (t *Tracker) Unacknowledged(n uint64) int {
	count := 0
	for i := t.FirstOpen(); i < min(t.tail, n); i++ {
		if !t.at(i).done {
			count++
		}
	}
	return count
}

// Oldest returns when the first message that is not acknowledged was admitted; false when there is
// none.
func (t *Tracker) Oldest() (since int64, ok bool) {
	if t.Open() == 0 {
		return 0, false
	}
	return t.at(t.FirstOpen()).since, true
}

// First returns the offset of the first message that is not acknowledged; false when there is none.
func (t *Tracker) First() (offset uint64, ok bool) {
	if t.Open() == 0 {
		return 0, false
	}
	return t.at(t.FirstOpen()).offset, true
}
