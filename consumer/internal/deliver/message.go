package deliver

import (
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Message is one delivery of a message to the application. Its next delivery is another Message;
// what is done with the old one has no effect then. The methods are safe for concurrent use.
type Message struct {
	// Raw is the message as it was read. Its payload may be used again once the message is settled;
	// see Payload.
	Raw *wire.Message
	// Key is the partition key, empty when there is none: such messages have no order.
	Key string
	// Value is the typed side, which the App sets.
	Value any
	// Decompressed is the size of the payload when it was compressed, in bytes.
	Decompressed int
	// Err says why the message can't be decoded; nil when it can.
	Err error

	queue      *Queue
	batch      *Batch // whose memory Raw lies in; nil when it is the message's own
	seq        uint64 // its number in the tracker
	lane       *lane  // nil without a key
	next       *Message
	prev       *Message
	orphan     *orphan // set when its queue is lost while it is with the application
	deliveries int32   // this one included
	untried    int32   // those of them that do not count as attempts
	state      state
	trial      bool // was handed out to find out whether the handler can work again
	given      bool // was given back by the application and not handed out since
}

// state is where a message is.
type state uint8

const (
	stateNew        state = iota // not admitted
	stateBehind                  // in its key's lane, behind another message
	stateReady                   // may be handed out
	stateRetry                   // may be handed out again, after a failure
	stateGivenBack               // may be handed out again, after the application gave it back
	stateInFlight                // is with the application, or in a run
	stateWaiting                 // waits for its next delivery
	stateDue                     // its next delivery is due, and has to be decoded
	stateDeadLetter              // is on its way to the dead letters
	stateReturned                // is with nobody and in no list: its assignment ends
	stateSettled                 // acknowledged, given up, or succeeded by the next delivery
	states
)

// Queue returns the queue that the message came from.
func (m *Message) Queue() *Queue { return m.queue }

// Seq returns the message's number in its assignment: it is committed when Progress.Committed is
// more than that.
func (m *Message) Seq() uint64 { return m.seq }

// Deliveries returns how often the message was delivered since its partition was assigned, this
// time included.
func (m *Message) Deliveries() int { return int(m.deliveries) }

// Payload returns the payload as it is stored. It is there until the delivery is settled, and for
// as long as anyone likes once it was asked for; who asks only afterwards may get nil, since the
// memory is used again.
func (m *Message) Payload() []byte {
	q := m.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if m.batch == nil {
		return m.Raw.Payload
	}
	if m.batch.recycled {
		return nil
	}
	m.batch.keep()
	return m.Raw.Payload
}

// Ack acknowledges the delivery. When it is settled already, or its queue is lost, it only says
// that the application does not hold the message any more.
func (m *Message) Ack() {
	q := m.queue
	q.mu.Lock()
	q.d.settlement.ack(m)
	q.d.changed()
	after := q.d.assignment.takeActions()
	q.mu.Unlock()
	after.do(q)
}

// Nack says that the delivery failed with err: the message is delivered again after a pause, or
// goes to the dead letters. A nil err is allowed. When the delivery is settled already, or its
// queue is lost, it only says that the application does not hold the message any more.
func (m *Message) Nack(err error) {
	if err == nil {
		err = errNacked
	}
	err = Checked(err)
	q := m.queue
	q.mu.Lock()
	q.d.settlement.nack(m, err)
	q.d.changed()
	after := q.d.assignment.takeActions()
	q.mu.Unlock()
	after.do(q)
}

// GiveBack says that the application did not try the message: it is the first of its partition that
// is handed out next, and this delivery is no attempt. It has no effect on what is settled.
func (m *Message) GiveBack() {
	q := m.queue
	q.mu.Lock()
	next := q.d.settlement.giveBack(m)
	q.d.changed()
	after := q.d.assignment.takeActions()
	q.mu.Unlock()
	after.do(q)
	if next == nil {
		return
	}
	held := next.Decompressed
	_ = callback.Call(func() error { return q.pool.app.Renew(next) }) // it has a value in any case

	q.mu.Lock()
	q.d.givenBack(next, held)
	after = q.d.assignment.takeActions()
	q.mu.Unlock()
	after.do(q)
}

// attempts is how many deliveries of the message counted so far.
func (m *Message) attempts() int { return int(m.deliveries - m.untried) }

// size is what the message itself takes, in bytes.
func size(m *wire.Message) int { return len(m.Payload) + len(m.Headers) }

// clone copies a message into memory of its own.
func clone(m *wire.Message) *wire.Message {
	c := *m
	own := make([]byte, 0, size(m))
	own = append(own, m.Payload...)
	own = append(own, m.Headers...)
	n := len(m.Payload)
	c.Payload = own[:n:n]
	if c.Headers = nil; len(m.Headers) > 0 {
		c.Headers = own[n:]
	}
	return &c
}
