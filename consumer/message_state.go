package consumer

import (
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// message is the state of one delivered message. It belongs to its partition,
// whose lock guards everything that changes.
type message struct {
	part   *partition
	answer *answer
	raw    *wire.Message // in the answer's memory
	seq    uint64        // its number in the tracker
	key    string        // empty: none, and no lane
	lane   *lane         // nil without a key
	next   *message      // the one behind it, in its lane, in the run queue or among those given
	prev   *message      // the one before it among those given

	// message is the typed side, a *Message[T].
	typed any
	// deliveries counts how often it was given to the application, and returns
	// those times when it gave it back untried.
	deliveries int
	returns    int
	unpacked   int // bytes of its payload, when it was compressed
	state      messageState
	ghost      *ghost // of a lost partition, and with the application when it was
	// cause is why it can't be decoded, and later why its last delivery failed.
	cause error
}

type messageState uint8

const (
	messageQueued   messageState = iota // waits for its turn
	messageBack                         // waits for its turn, since the application gave it back
	messageGiven                        // is with the application
	messageWaiting                      // waits for its next delivery
	messageBuried                       // is on its way to the dead letters
	messageReturned                     // is with nobody, and in no queue: its partition ends
	messageSettled                      // acknowledged, or given up
)

// answer is what one poll brought. Its memory is held, and counted, until the
// last of its messages is settled.
type answer struct {
	rest    []wire.Message // not yet taken in
	encoded int            // the bytes of what came, as the server counts them
	bytes   int            // the memory that is held, at most what was reserved
	wanted  int            // the memory that it would take with its headers copied
	open    int            // messages that are not settled
	// recycle gives the memory of the payloads back; nil: that of this answer is not used again.
	recycle  func()
	recycled bool
}

// newAnswer takes over what a poll brought. Memory that is to be used again must not
// be needed for the headers, which stay readable for as long as there is a message: they are
// copied, if the reserved bytes have room for that. Otherwise it is not used again.
func newAnswer(polled *transport.Polled, reserved int) *answer {
	a := &answer{rest: polled.Messages, open: len(polled.Messages), recycle: polled.Recycle}
	headers := 0
	for i := range a.rest {
		m := &a.rest[i]
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
	for i := range a.rest {
		m := &a.rest[i]
		start := len(own)
		own = append(own, m.Headers...)
		m.Headers = own[start:len(own):len(own)]
	}
	return a
}

// keep leaves the payloads to whoever has them, for good. The lock of the partition is held.
func (a *answer) keep() { a.recycle = nil }

// done gives the memory back when the last message is settled. The lock of the partition is held.
func (a *answer) done() {
	if a.recycle != nil {
		a.recycle()
		a.recycle, a.recycled = nil, true
	}
}

// messageQueue is a first-in first-out list through message.next.
type messageQueue struct {
	first, last *message
	length      int
}

func (q *messageQueue) push(r *message) {
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
func (q *messageQueue) unshift(r *message) {
	r.next = q.first
	if q.first = r; q.last == nil {
		q.last = r
	}
	q.length++
}

func (q *messageQueue) pop() *message {
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

// cut removes the messages whose number is seq or more and gives them to drop.
func (q *messageQueue) cut(seq uint64, drop func(*message)) {
	kept := messageQueue{}
	for r := q.pop(); r != nil; r = q.pop() {
		if r.seq < seq {
			kept.push(r)
		} else {
			drop(r)
		}
	}
	*q = kept
}

// messageSet is a list of messages, through message.prev and message.next, from which any may be taken.
type messageSet struct {
	first  *message
	length int
}

func (s *messageSet) add(r *message) {
	r.prev, r.next = nil, s.first
	if s.first != nil {
		s.first.prev = r
	}
	s.first = r
	s.length++
}

func (s *messageSet) remove(r *message) {
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
