package consumer

import (
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

// turn puts r into another state. p.mu is held.
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

// hand marks r as given to the application. p.mu is held.
func (p *partition) markDelivered(msg *message) {
	p.setState(msg, messageDelivered)
	msg.deliveries++
	p.counters.delivered++
	if msg.deliveries > 1 {
		p.counters.redelivered++
	}
	p.deliveredEnd = max(p.deliveredEnd, msg.seq+1)
}

// finish ends a message that was handled or given up: it counts as
// acknowledged. p.mu is held.
func (p *partition) settle(msg *message) {
	p.history.dedup.settle(msg.raw.ID)
	p.closeMessage(msg)
}

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

// inHand is how many messages are with the application, wait for another
// delivery or are on their way to the dead letters. p.mu is held.
func (p *partition) inFlight() int {
	n := 0
	for i := p.tracker.ackedEnd; i < min(p.tracker.end, p.deliveredEnd); i++ {
		if !p.tracker.at(i).acked {
			n++
		}
	}
	return n
}
