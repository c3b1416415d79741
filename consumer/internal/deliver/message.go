package deliver

import (
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/park"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Message is one delivery of a message to the application. Its next delivery is another Message;
// what is done with the old one has no effect then. The methods are safe for concurrent use.
type Message struct {
	// Raw is the message as it was read. The memory of its payload is reused once the message is
	// settled; see Payload.
	Raw *wire.Message
	// Key is the partition key, empty when there is none: such messages have no order.
	Key string
	// Value is the typed side, which the App sets.
	Value any
	// Decompressed is the size of the payload when it was compressed, in bytes.
	Decompressed int
	// Err says why the message can't be decoded; nil when it can.
	Err error
	// Parked is what a parked message says about itself; nil for other messages. Raw has the headers
	// that the message had before it was parked.
	Parked *park.Message
	// Foreign says that the message is a parked one of another consumer, which has parked it in the same
	// topic. It is acknowledged and not delivered.
	Foreign bool

	queue      *Queue
	batch      *Batch // the memory of Raw; nil when Raw has memory of its own
	seq        uint64 // its number in the tracker
	lane       *lane  // nil without a key
	next       *Message
	prev       *Message
	orphan     *orphan // set when its queue is lost while it is in flight
	deliveries int32   // this one included
	uncounted  int32   // those of them that do not count as attempts
	state      state
	trial      bool // was delivered to find out whether the handler can work again
	givenBack  bool // was given back by the application and not delivered since
}

// state is the state of a message.
type state uint8

const (
	stateNew       state = iota // not admitted
	stateBehind                 // in its key's lane, behind another message
	stateReady                  // may be delivered
	stateRetry                  // may be delivered again, after a failure
	stateGivenBack              // may be delivered again, after the application gave it back
	stateInFlight               // was delivered, or is in a run
	stateWaiting                // waits for redelivery
	stateDue                    // its redelivery is due, and it has to be decoded again
	stateTransfer               // is being written to the dead letters, or parked
	stateReturned               // is not delivered any more by this queue: the assignment ends
	stateSettled                // acknowledged, given up, or replaced by the next delivery
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

// Payload returns the payload as it is stored. It stays valid after the delivery is settled. A
// first call after that may return nil, since the memory is reused.
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

// Ack acknowledges the delivery. When the delivery is settled already, or its queue is lost, Ack
// only ends what is orphaned.
func (m *Message) Ack() {
	m.queue.update(func(d *delivery) {
		d.settlement.ack(m)
		d.changed()
	})
}

// Nack says that the delivery failed with err: the message is delivered again after a pause, or
// goes to the dead letters. A nil err is allowed. When the delivery is settled already, or its
// queue is lost, Nack only ends what is orphaned.
func (m *Message) Nack(err error) {
	if err == nil {
		err = ErrNacked
	}
	err = Checked(err)
	q := m.queue
	q.update(func(d *delivery) {
		d.settlement.nack(m, err)
		d.changed()
	})
}

// GiveBack says that the application did not handle the message: it is the next one that its
// partition delivers, and this delivery is no attempt. It has no effect when the delivery is
// settled.
func (m *Message) GiveBack() {
	q := m.queue
	var next *Message
	q.update(func(d *delivery) {
		next = d.settlement.giveBack(m)
		d.changed()
	})
	if next == nil {
		return
	}
	held := next.Decompressed
	_ = callback.Call(func() error { return q.pool.app.DecodeAgain(next) }) // it keeps its value otherwise

	q.update(func(d *delivery) {
		d.requeue(next, held)
	})
}

// Attempts returns how many deliveries of the message count as attempts, this one included.
func (m *Message) Attempts() int { return int(m.deliveries - m.uncounted) }

// size returns the memory of a message, in bytes.
func size(m *wire.Message) int { return len(m.Payload) + len(m.Headers) }
