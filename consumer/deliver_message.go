package consumer

import (
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// message is the state of one message read from a partition. It belongs to the partition, whose lock
// guards everything that changes.
type message struct {
	partition *partition
	result    *pollResult
	raw       *wire.Message // in the memory of result
	seq       uint64        // its number in the tracker
	key       string        // empty: none, and no lane
	lane      *lane         // nil without a key
	next      *message      // the one behind it, in its lane, in the ready queue or among the delivered ones
	prev      *message      // the one before it among the delivered ones

	// typed is the present delivery, a *Message[T].
	typed any
	// deliveries counts deliveries to the application, and untried those that the application gave
	// back without handling the message.
	deliveries   int
	untried      int
	decompressed int // bytes of the decompressed payload; 0 when it was not compressed
	state        messageState
	orphan       *orphan // set when the partition was lost while the message was delivered
	// cause is why the message can't be decoded, and later why its last delivery failed.
	cause error
}

// messageState is where a message is. Only partition.setState changes it.
type messageState uint8

const (
	messageQueued        messageState = iota // in the ready queue or in its lane
	messageGivenBack                         // in the ready queue, given back by the application
	messageDelivered                         // with the application
	messageBackingOff                        // waiting for redelivery
	messageDeadLettering                     // on its way to the dead letters
	messageDetached                          // in no queue, since its partition ends
	messageSettled                           // acknowledged or given up
)

// setState changes the state of msg. p.mu is held.
func (p *partition) setState(msg *message, s messageState) {
	switch msg.state {
	case messageDelivered:
		p.delivered.remove(msg)
	case messageGivenBack:
		p.givenBack--
	}
	msg.state = s
	switch s {
	case messageDelivered:
		p.delivered.add(msg)
	case messageGivenBack:
		p.givenBack++
	}
}

// markDelivered marks msg as delivered to the application. p.mu is held.
func (p *partition) markDelivered(msg *message) {
	p.setState(msg, messageDelivered)
	msg.deliveries++
	p.counters.delivered++
	if msg.deliveries > 1 {
		p.counters.redelivered++
	}
	p.deliveredEnd = max(p.deliveredEnd, msg.seq+1)
}

// settle ends a message that was handled or given up: it counts as acknowledged. p.mu is held.
func (p *partition) settle(msg *message) {
	p.history.dedup.settle(msg.raw.ID)
	p.closeMessage(msg)
}

// closeMessage acknowledges msg in the tracker, releases what it holds and makes the next message
// of its lane ready. p.mu is held.
func (p *partition) closeMessage(msg *message) {
	p.setState(msg, messageSettled)
	p.releaseMemory(msg)
	if next := p.lanes.release(msg); next != nil {
		p.ready.push(next)
	}
	if p.tracker.ack(msg.seq) {
		p.prefixAdvanced()
	}
	p.releaseInFlight(1)
}

// inFlight is how many messages are with the application, wait for redelivery or are on their way
// to the dead letters. p.mu is held.
func (p *partition) inFlight() int {
	n := 0
	for i := p.tracker.ackedEnd; i < min(p.tracker.end, p.deliveredEnd); i++ {
		if !p.tracker.at(i).acked {
			n++
		}
	}
	return n
}
