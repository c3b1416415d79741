package consumer

import (
	"runtime"
)

// ghost is a message of a lost partition that the application still has in
// hand. It keeps its place in the window, and nothing of its partition is
// handed out, until the application is done with it: else there would be more
// messages with the application than there may be, and the same one twice. One whose message
// the application has forgotten is noticed when the memory is collected.
type orphan struct {
	p     *partition
	ended bool // guarded by the partition's lock
}

// haunt makes ghosts of the messages that are with the application, and gives
// their number. p.mu is held, and p is lost.
func (p *partition) orphanDeliveries() (n int) {
	for msg := p.delivered.first; msg != nil; n++ {
		next := msg.next
		msg.prev, msg.next, msg.lane = nil, nil, nil // or each would keep the others
		msg.orphan = &orphan{p: p}
		p.e.typed.onCollected(msg, msg.orphan)
		msg = next
	}
	p.delivered = messageSet{}
	p.history.orphans.Add(int64(n))
	return n
}

// putDown says that the application is done with a delivery of a lost
// partition's message. p.mu is held.
func (p *partition) settleOrphan(msg *message, delivery int) {
	if msg.orphan != nil && msg.deliveries == delivery {
		p.endOrphan(msg.orphan)
	}
}

// dispel ends a ghost. p.mu is held.
func (p *partition) endOrphan(o *orphan) {
	if o.ended {
		return
	}
	o.ended = true
	wakeAll(p.e.inFlight.endOrphan(&p.inFlightShare))
	p.orphanEnded()
}

// ghostGone is called when a handler of a lost partition returns, and when the
// application is done with a message of it. p.mu is held.
func (p *partition) orphanEnded() {
	if p.history.orphans.Add(-1) == 0 {
		p.e.scheduleByID(p.id)
	}
}

// whenForgotten implements typed.
func (c *Consumer[T]) onCollected(msg *message, o *orphan) {
	runtime.AddCleanup(msg.typed.(*Message[T]), func(o *orphan) {
		o.p.mu.Lock()
		defer o.p.mu.Unlock()
		o.p.endOrphan(o)
	}, o)
}
