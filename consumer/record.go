package consumer

import (
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// record is the state of one delivered record. It belongs to its partition,
// whose lock guards everything that changes.
type record struct {
	part   *partition
	answer *answer
	raw    *wire.Message // in the answer's memory
	seq    uint64        // its number in the tracker
	key    string        // empty: none, and no lane
	lane   *lane         // nil without a key
	next   *record       // the one behind it, in its lane, in the run queue or among those given
	prev   *record       // the one before it among those given

	// message is the typed side, a *Message[T].
	message any
	// deliveries counts how often it was given to the application, and returns
	// those times when it gave it back untried.
	deliveries int
	returns    int
	unpacked   int // bytes of its payload, when it was compressed
	state      recordState
	ghost      *ghost // of a lost partition, and with the application when it was
	// cause is why it can't be decoded, and later why its last delivery failed.
	cause error
}

type recordState uint8

const (
	recordQueued   recordState = iota // waits for its turn
	recordBack                        // waits for its turn, since the application gave it back
	recordGiven                       // is with the application
	recordWaiting                     // waits for its next delivery
	recordBuried                      // is on its way to the dead letters
	recordReturned                    // is with nobody, and in no queue: its partition ends
	recordSettled                     // acknowledged, or given up
)

// answer is what one poll brought. Its memory is held, and counted, until the
// last of its records is settled.
type answer struct {
	messages []wire.Message // not yet taken in
	encoded  int            // the bytes of what came, as the server counts them
	bytes    int            // the memory that is held, at most what was reserved
	wanted   int            // the memory that it would take with its headers copied
	open     int            // records that are not settled
	// recycle gives the memory of the payloads back; nil: that of this answer is not used again.
	recycle  func()
	recycled bool
}

// newAnswer takes over what a poll brought. Memory that is to be used again must not
// be needed for the headers, which stay readable for as long as there is a message: they are
// copied, if the reserved bytes have room for that. Otherwise it is not used again.
func newAnswer(polled *transport.Polled, reserved int) *answer {
	a := &answer{messages: polled.Messages, open: len(polled.Messages), recycle: polled.Recycle}
	headers := 0
	for i := range a.messages {
		m := &a.messages[i]
		a.encoded += wire.EncodedSize(len(m.Payload), len(m.Headers))
		headers += len(m.Headers)
	}
	a.bytes, a.wanted = a.encoded, a.encoded
	if a.recycle == nil || headers == 0 {
		return a
	}
	if a.wanted += headers; a.wanted > reserved {
		a.keep()
		return a
	}
	a.bytes = a.wanted
	own := make([]byte, 0, headers)
	for i := range a.messages {
		m := &a.messages[i]
		start := len(own)
		own = append(own, m.Headers...)
		m.Headers = own[start:len(own):len(own)]
	}
	return a
}

// keep leaves the payloads to whoever has them, for good. The lock of the partition is held.
func (a *answer) keep() { a.recycle = nil }

// done gives the memory back when the last record is settled. The lock of the partition is held.
func (a *answer) done() {
	if a.recycle != nil {
		a.recycle()
		a.recycle, a.recycled = nil, true
	}
}

// recordQueue is a first-in first-out list through record.next.
type recordQueue struct {
	first, last *record
	length      int
}

func (q *recordQueue) push(r *record) {
	r.next = nil
	if q.last == nil {
		q.first = r
	} else {
		q.last.next = r
	}
	q.last = r
	q.length++
}

// unshift puts r before all others.
func (q *recordQueue) unshift(r *record) {
	r.next = q.first
	if q.first = r; q.last == nil {
		q.last = r
	}
	q.length++
}

func (q *recordQueue) pop() *record {
	r := q.first
	if r == nil {
		return nil
	}
	q.first = r.next
	if q.first == nil {
		q.last = nil
	}
	r.next = nil
	q.length--
	return r
}

// cut removes the records whose number is seq or more and gives them to drop.
func (q *recordQueue) cut(seq uint64, drop func(*record)) {
	kept := recordQueue{}
	for r := q.pop(); r != nil; r = q.pop() {
		if r.seq < seq {
			kept.push(r)
		} else {
			drop(r)
		}
	}
	*q = kept
}

// recordSet is a list of records, through record.prev and record.next, from which any may be taken.
type recordSet struct {
	first  *record
	length int
}

func (s *recordSet) add(r *record) {
	r.prev, r.next = nil, s.first
	if s.first != nil {
		s.first.prev = r
	}
	s.first = r
	s.length++
}

func (s *recordSet) remove(r *record) {
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		s.first = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
	s.length--
}
