package consumer

import (
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// message is the state of one delivered message. It belongs to its partition,
// whose lock guards everything that changes.
type message struct {
	partition *partition
	result    *pollResult
	raw       *wire.Message // in the answer's memory
	seq       uint64        // its number in the tracker
	key       string        // empty: none, and no lane
	lane      *lane         // nil without a key
	next      *message      // the one behind it, in its lane, in the run queue or among those given
	prev      *message      // the one before it among those given

	// message is the typed side, a *Message[T].
	typed any
	// deliveries counts how often it was given to the application, and returns
	// those times when it gave it back untried.
	deliveries   int
	untried      int
	decompressed int // bytes of its payload, when it was compressed
	state        messageState
	orphan       *orphan // of a lost partition, and with the application when it was
	// cause is why it can't be decoded, and later why its last delivery failed.
	cause error
}

type messageState uint8

const (
	messageQueued        messageState = iota // waits for its turn
	messageGivenBack                         // waits for its turn, since the application gave it back
	messageDelivered                         // is with the application
	messageBackingOff                        // waits for its next delivery
	messageDeadLettering                     // is on its way to the dead letters
	messageDetached                          // is with nobody, and in no queue: its partition ends
	messageSettled                           // acknowledged, or given up
)

// answer is what one poll brought. Its memory is held, and counted, until the
// last of its messages is settled.
type pollResult struct {
	remaining    []wire.Message // not yet taken in
	encodedBytes int            // the bytes of what came, as the server counts them
	heldBytes    int            // the memory that is held, at most what was reserved
	neededBytes  int            // the memory that it would take with its headers copied
	unsettled    int            // messages that are not settled
	// recycle gives the memory of the payloads back; nil: that of this answer is not used again.
	recycle  func()
	recycled bool
}

// newAnswer takes over what a poll brought. Memory that is to be used again must not
// be needed for the headers, which stay readable for as long as there is a message: they are
// copied, if the reserved bytes have room for that. Otherwise it is not used again.
func newPollResult(polled *transport.Polled, reserved int) *pollResult {
	r := &pollResult{remaining: polled.Messages, unsettled: len(polled.Messages), recycle: polled.Recycle}
	headers := 0
	for i := range r.remaining {
		m := &r.remaining[i]
		r.encodedBytes += wire.EncodedSize(len(m.Payload), len(m.Headers))
		headers += len(m.Headers)
	}
	r.heldBytes, r.neededBytes = r.encodedBytes, r.encodedBytes
	if r.recycle == nil || headers == 0 {
		return r
	}
	if r.neededBytes += headers; r.neededBytes > reserved {
		r.retainPayloads()
		return r
	}
	r.heldBytes = r.neededBytes
	own := make([]byte, 0, headers)
	for i := range r.remaining {
		m := &r.remaining[i]
		start := len(own)
		own = append(own, m.Headers...)
		m.Headers = own[start:len(own):len(own)]
	}
	return r
}

// keep leaves the payloads to whoever has them, for good. The lock of the partition is held.
func (r *pollResult) retainPayloads() { r.recycle = nil }

// done gives the memory back when the last message is settled. The lock of the partition is held.
func (r *pollResult) recyclePayloads() {
	if r.recycle != nil {
		r.recycle()
		r.recycle, r.recycled = nil, true
	}
}

// messageQueue is a first-in first-out list through message.next.
type messageQueue struct {
	first, last *message
	length      int
}

func (q *messageQueue) push(msg *message) {
	msg.next = nil
	if q.last == nil {
		q.first = msg
	} else {
		q.last.next = msg
	}
	q.last = msg
	q.length++
}

// unshift puts r before all others.
func (q *messageQueue) pushFront(msg *message) {
	msg.next = q.first
	if q.first = msg; q.last == nil {
		q.last = msg
	}
	q.length++
}

func (q *messageQueue) pop() *message {
	msg := q.first
	if msg == nil {
		return nil
	}
	q.first = msg.next
	if q.first == nil {
		q.last = nil
	}
	msg.next = nil
	q.length--
	return msg
}

// cut removes the messages whose number is seq or more and gives them to drop.
func (q *messageQueue) removeFrom(seq uint64, drop func(*message)) {
	kept := messageQueue{}
	for msg := q.pop(); msg != nil; msg = q.pop() {
		if msg.seq < seq {
			kept.push(msg)
		} else {
			drop(msg)
		}
	}
	*q = kept
}

// messageSet is a list of messages, through message.prev and message.next, from which any may be taken.
type messageSet struct {
	first  *message
	length int
}

func (s *messageSet) add(msg *message) {
	msg.prev, msg.next = nil, s.first
	if s.first != nil {
		s.first.prev = msg
	}
	s.first = msg
	s.length++
}

func (s *messageSet) remove(msg *message) {
	if msg.prev != nil {
		msg.prev.next = msg.next
	} else {
		s.first = msg.next
	}
	if msg.next != nil {
		msg.next.prev = msg.prev
	}
	msg.prev, msg.next = nil, nil
	s.length--
}
