package consumer

import (
	"runtime"
)

// orphan is an orphaned delivery: a message of a lost partition that is still with the application.
// It counts as in flight, and no message of its partition is delivered, until the application
// settles it: otherwise more messages than max_in_flight would be with the application, and the
// same one twice. The garbage collector finds one that the application has no reference to.
type orphan struct {
	p     *partition
	ended bool // guarded by the partition's lock
}

// orphanDeliveries makes orphans of the messages that are with the application, and returns their
// number. p.mu is held, and p is lost.
func (p *partition) orphanDeliveries() (n int) {
	for msg := p.delivered.first; msg != nil; n++ {
		next := msg.next
		msg.prev, msg.next, msg.lane = nil, nil, nil // a referenced one would keep the others from being collected
		msg.orphan = &orphan{p: p}
		p.e.typed.onCollected(msg, msg.orphan)
		msg = next
	}
	p.delivered = messageSet{}
	p.history.orphans.Add(int64(n))
	return n
}

// settleOrphan ends the orphan of a delivery that the application settles. p.mu is held.
func (p *partition) settleOrphan(msg *message, delivery int) {
	if msg.orphan != nil && msg.deliveries == delivery {
		p.endOrphan(msg.orphan)
	}
}

// endOrphan ends an orphan. p.mu is held.
func (p *partition) endOrphan(o *orphan) {
	if o.ended {
		return
	}
	o.ended = true
	wakeAll(p.e.inFlight.endOrphan(&p.inFlightShare))
	p.orphanEnded()
}

// orphanEnded is called when a handler of a lost partition returns, and when an orphan ends. p.mu
// is held.
func (p *partition) orphanEnded() {
	if p.history.orphans.Add(-1) == 0 {
		p.e.scheduleByID(p.id)
	}
}

// onCollected implements typedConsumer.
func (c *Consumer[T]) onCollected(msg *message, o *orphan) {
	runtime.AddCleanup(msg.typed.(*Message[T]), func(o *orphan) {
		o.p.mu.Lock()
		defer o.p.mu.Unlock()
		o.p.endOrphan(o)
	}, o)
}
